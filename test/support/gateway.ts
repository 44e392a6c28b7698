import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { buildApp, type Gateway } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import type { Deadlines } from '../../src/domain/deadlines.ts'
import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/emulator.ts'
import type { IdempotencyTimes } from '../../src/services/idempotency/keyed-create.ts'
import type { WatchPressure } from '../../src/services/pressure.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { createSeededRandom } from './seeded-random.ts'

export const TOKEN = 'test-token-aaaaaaaaaaaaaaaa'
export const OTHER_TOKEN = 'test-token-bbbbbbbbbbbbbbbb'
export const KEY = 'emulator-key'

export type TestGateway = {
  url: string
  emulator: Emulator
  gateway: Gateway
  store: Store
  /** Every line logged so far, parsed. */
  logs: Record<string, unknown>[]
  close(): Promise<void>
}

export type TestGatewayOptions = {
  /** On top of the settings that point at the emulator; undefined takes one away. */
  env?: Record<string, string | undefined>
  emulator?: Emulator | EmulatorOptions
  store?: Store
  /** Files the configuration may name, by path. */
  files?: Record<string, string>
  deadlines?: Partial<Deadlines>
  uploadMemoryBytes?: number
  spoolDirectory?: string
  idempotencyTimes?: Partial<IdempotencyTimes>
  watchPressure?: WatchPressure
  /** The wall clock and the one that durations are measured by; the real ones if left out. */
  now?: () => number
  monotonicNow?: () => number
}

/** The settings that point a gateway at an emulator, with two callers: `app` and `other`. */
export function environmentFor(emulator: Emulator): Record<string, string | undefined> {
  return {
    HOST: '127.0.0.1',
    PORT: '0',
    OOMOL_API_KEY: KEY,
    OOMOL_BASE_URL: emulator.url,
    OOMOL_UPLOAD_BASE_URL: emulator.uploadUrl,
    OOMOL_REGISTRY_URL: emulator.registryUrl,
    OOMOL_ALLOW_INSECURE: 'true',
    GATEWAY_TOKENS: `app:${TOKEN},other:${OTHER_TOKEN}`,
    STORE_URL: 'memory:',
    SHUTDOWN_GRACE: '4s',
  }
}

/** A gateway on a port of its own in front of an emulator of its own (or the one given). */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const ownsEmulator = !isEmulator(options.emulator)
  const emulator = isEmulator(options.emulator)
    ? options.emulator
    : await startEmulator(options.emulator ?? {})
  const config = loadConfig({ ...environmentFor(emulator), ...options.env }, (path) => {
    const text = options.files?.[path]
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return text
  })
  const logs: Record<string, unknown>[] = []
  const logger = pino({ level: config.logLevel }, collect(logs))
  const store = options.store ?? createMemoryStore({ now: Date.now })
  const gateway = buildApp(config, {
    logger,
    version: '0.0.0',
    store,
    now: options.now ?? Date.now,
    monotonicNow: options.monotonicNow ?? (() => performance.now()),
    random: createSeededRandom('gateway'),
    deadlines: options.deadlines ?? {},
    ...(options.uploadMemoryBytes === undefined ? {} : { uploadMemoryBytes: options.uploadMemoryBytes }),
    ...(options.spoolDirectory === undefined ? {} : { spoolDirectory: options.spoolDirectory }),
    idempotencyTimes: options.idempotencyTimes ?? {},
    ...(options.watchPressure === undefined ? {} : { watchPressure: options.watchPressure }),
  })
  await gateway.app.listen({ host: config.host, port: config.port })
  const { port } = gateway.app.server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    emulator,
    gateway,
    store,
    logs,
    close: async () => {
      // Requests that a test left open are cut off, not waited for.
      gateway.app.server.closeAllConnections()
      await gateway.app.close()
      if (ownsEmulator) await emulator.close()
    },
  }
}

function isEmulator(value: Emulator | EmulatorOptions | undefined): value is Emulator {
  return value !== undefined && 'counts' in value
}

function collect(lines: Record<string, unknown>[]): Writable {
  return new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()))
      done()
    },
  })
}
