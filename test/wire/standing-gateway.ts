/**
 * A gateway as a process of its own, for late-create.test.ts. Prints its address, then each intent that its store
 * has. The first one is acknowledged by a line on stdin.
 */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'

const store = createMemoryStore({ now: Date.now })
const { claim, replace } = store
let intents = 0

async function acknowledge(value: string): Promise<void> {
  if (!value.includes('"creating"')) return
  intents += 1
  process.stdout.write(`intent ${intents}\n`)
  if (intents === 1) await once(process.stdin, 'data')
}

store.claim = async (...entry) => {
  const other = await claim.apply(store, entry)
  await acknowledge(entry[2])
  return other
}
store.replace = async (...entry) => {
  const isReplaced = await replace.apply(store, entry)
  await acknowledge(entry[3])
  return isReplaced
}

const config = loadConfig(process.env)
const gateway = buildApp(config, {
  logger: pino({ level: 'silent' }),
  version: '0.0.0',
  store,
  now: Date.now,
  monotonicNow: () => performance.now(),
  random: Math.random,
})
await gateway.app.listen({ host: config.host, port: config.port })
const { port } = gateway.app.server.address() as AddressInfo
process.stdout.write(`http://127.0.0.1:${port}\n`)
