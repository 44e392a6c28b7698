import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'

/* The gateway with its usual log written to /dev/null: the process that measures must not have to read it. */

const config = loadConfig(process.env)
const gateway = buildApp(config, {
  logger: pino({ level: config.logLevel, base: null }, pino.destination('/dev/null')),
  version: '0.0.0',
  store: createMemoryStore({ now: Date.now }),
  now: Date.now,
  monotonicNow: () => performance.now(),
  random: Math.random,
})
// As in src/main.ts: the figures of the process are collected from here on.
if (config.metricsPort !== undefined) {
  await gateway.metricsServer?.listen({ host: config.host, port: config.metricsPort })
}
await gateway.app.listen({ host: config.host, port: config.port })
console.log(`listening ${(gateway.app.server.address() as AddressInfo).port}`)
