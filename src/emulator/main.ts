import { startEmulator } from './emulator.ts'
import { readEnvironment } from './environment.ts'

/** EX_CONFIG of sysexits: the environment is wrong, and a restart won't help. */
const EXIT_CONFIG = 78

function report(error: unknown): void {
  const { code, port } = (error ?? {}) as { code?: string; port?: number }
  const isTaken = code === 'EADDRINUSE' || code === 'EACCES'
  if (isTaken)
    console.error(`emulator: port ${port} can't be opened (${code}): see EMULATOR_PORT, EMULATOR_STORE_PORT`)
  else if (code !== undefined) console.error(`emulator: can't listen (${code}): see EMULATOR_HOST`)
  else console.error('emulator: could not start', error)
}

async function main(): Promise<number | undefined> {
  const environment = readEnvironment(process.env)
  if ('problems' in environment) {
    for (const problem of environment.problems) console.error(`emulator: ${problem}`)
    return EXIT_CONFIG
  }
  const emulator = await startEmulator(environment.options)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      emulator.close().then(() => process.exit(0))
    })
  }
  console.log(`emulator: task API and registry at ${emulator.url}`)
  console.log(`emulator: upload API at ${emulator.uploadUrl}`)
  console.log(`emulator: file store at ${emulator.storeUrl}`)
  console.log(`emulator: API key ${environment.options.keys[0]}`)
  return undefined
}

try {
  process.exitCode = await main()
} catch (error) {
  report(error)
  process.exitCode = 1
}
