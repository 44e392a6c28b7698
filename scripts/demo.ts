import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { buildApp, type Gateway } from '../src/app.ts'
import { ConfigError, formatConfigProblems } from '../src/config/config-error.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts'
import { createMemoryStore } from '../src/store/memory-store.ts'

/** `npm run demo`: the gateway in front of a local OOMOL, and one run through both. `--once` ends after that run. */

const HOST = '127.0.0.1'
/** Everyone can read it here, which is fine for a local port in front of an emulator. */
const TOKEN = 'demo-token-for-this-machine-only'
const KEY = 'emulator-key'

/** The file that goes through the demo's own run. */
const FILE = { name: 'README.md', path: fileURLToPath(new URL('../README.md', import.meta.url)) }
/** A block that reads a file and answers with its size, SHA-256 and number of words. */
const INSPECT = { packageName: '@emulator/files', packageVersion: 'latest', blockName: 'inspect' }

type Demo = { url: string; emulatorUrl: string; close(): Promise<void> }

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof ConfigError ? formatConfigProblems(error) : error)
  process.exit(1)
}

async function main(): Promise<number> {
  const demo = await start()
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= demo.close()
    return closing
  }
  // Not `once`: npm and the terminal may both pass Ctrl-C on, and the second must not cut the first short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void close())

  introduce(demo)
  const succeeded = await runOnce(demo.url)
  if (process.argv.includes('--once')) {
    await close()
    return succeeded ? 0 : 1
  }
  if (closing === undefined) console.log('\nCtrl-C ends it.')
  return 0
}

/** Starts both on their default ports, or on free ones if those are taken. */
async function start(): Promise<Demo> {
  const emulator = await startEmulator({
    host: HOST,
    port: await portOrAny(4000),
    storePort: await portOrAny(4001),
    keys: [KEY],
    phases: { queuedMs: 200, schedulingMs: 100, scheduledMs: 100, runningMs: 400 },
  })
  const port = process.env.PORT ?? String(await portOrAny(3000))
  const { gateway, url } = await startGateway(emulator, port)
  const close = async () => {
    await gateway.close()
    await emulator.close()
  }
  return { url, emulatorUrl: emulator.url, close }
}

async function startGateway(emulator: Emulator, port: string): Promise<{ gateway: Gateway; url: string }> {
  const config = loadConfig({
    HOST,
    PORT: port,
    OOMOL_API_KEY: KEY,
    OOMOL_BASE_URL: emulator.url,
    OOMOL_UPLOAD_BASE_URL: emulator.uploadUrl,
    OOMOL_REGISTRY_URL: emulator.registryUrl,
    OOMOL_ALLOW_INSECURE: 'true',
    GATEWAY_TOKENS: `demo:${TOKEN}`,
    STORE_URL: 'memory:',
    SHUTDOWN_GRACE: '1s',
    LOG_LEVEL: 'warn',
  })
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const logger = pino({ level: config.logLevel, base: null }, pino.destination(2))
  const store = createMemoryStore({ now: Date.now })
  const clocks = { now: Date.now, monotonicNow: () => performance.now() }
  const gateway = buildApp(config, { logger, version, store, ...clocks, random: Math.random })
  return { gateway, url: await gateway.app.listen({ host: config.host, port: config.port }) }
}

/** The port, or 0 (any free one) if it is taken. */
function portOrAny(port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(0))
    probe.listen(port, HOST, () => probe.close(() => resolve(port)))
  })
}

function introduce({ url, emulatorUrl }: Demo): void {
  console.log(`
oomol-gateway, in front of an emulator of OOMOL: nothing leaves this machine, nothing is paid.

  gateway   ${url}   (to read and try: ${url}/docs)
  emulator  ${emulatorUrl}
  token     ${TOKEN}

To copy:

${curls(url)
  .map((line) => `  ${line}`)
  .join('\n\n')}
`)
}

/** One line each: a run, a run followed by events, a run with a file. */
function curls(url: string): string[] {
  const auth = `-H 'Authorization: Bearer ${TOKEN}'`
  const json = `${auth} -H 'Content-Type: application/json'`
  const fields = Object.entries(INSPECT).map(([name, value]) => `--form-string ${name}=${value}`)
  return [
    `curl ${url}/run ${json} -d '${blockOf('echo', '{"value":"hello"}')}'`,
    `curl -N ${url}/run ${json} -H 'Accept: text/event-stream' -d '${blockOf('sleep', '{"seconds":3}')}'`,
    `curl ${url}/run ${auth} ${fields.join(' ')} -F 'file=@${FILE.path}'`,
  ]
}

function blockOf(blockName: string, inputValues: string): string {
  return `{"packageName":"@emulator/basics","packageVersion":"latest","blockName":"${blockName}","inputValues":${inputValues}}`
}

/** One run of a block that reads a real file, uploaded with the same request; prints what it found. */
async function runOnce(url: string): Promise<boolean> {
  const bytes = readFileSync(FILE.path)
  const form = new FormData()
  for (const [name, value] of Object.entries(INSPECT)) form.set(name, value)
  form.set('file', new Blob([bytes]), FILE.name)
  const startedMs = performance.now()
  const answer = await fetch(`${url}/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: form,
  })
  const text = await answer.text()
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`One run, made just now: POST /run with ${FILE.name} (${bytes.length} bytes) was answered with`)
  console.log(`${answer.status} after ${seconds} s; the block had read the file:\n\n  ${text}`)
  return answer.status === 200 && text.includes(createHash('sha256').update(bytes).digest('hex'))
}
