import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { builtProgram } from './built-program.ts'
import { until, within } from './within.ts'

export type GatewayProcess = {
  url: string
  child: ChildProcess
  /** The exit code, once it has ended. */
  exit: Promise<number | null>
  output(): string
}

type SpawnOptions = {
  args?: readonly string[]
  /** Where the log goes; left out: it is read. A number is a descriptor of this process. */
  stdout?: 'pipe' | number
  /** What `ulimit -n` is set to before it starts. */
  openFiles?: number
}

const running = new Set<ChildProcess>()

/** Starts the gateway with nothing but these settings. */
export function spawnGateway(
  env: Record<string, string | undefined>,
  { args = [], stdout = 'pipe', openFiles }: SpawnOptions = {},
): Omit<GatewayProcess, 'url'> {
  const options = {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', stdout, 'pipe'] as StdioOptions,
  }
  const command = [process.execPath, builtProgram('src/main.ts'), ...args]
  const limited =
    openFiles === undefined ? command : ['sh', '-c', `ulimit -n ${openFiles}; exec "$0" "$@"`, ...command]
  const child = spawn(limited[0] ?? '', limited.slice(1), options)
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  exit.then(() => running.delete(child))
  return { child, exit, output: () => output }
}

/** The same, once it listens. */
export async function startGatewayProcess(
  env: Record<string, string | undefined>,
  options: SpawnOptions = {},
): Promise<GatewayProcess> {
  const started = spawnGateway(env, options)
  const urlIn = (text: string) => /listening at (http:\/\/[\w.:]+)/.exec(text)?.[1]
  await until(() => urlIn(started.output()) !== undefined, 'the gateway did not start', 15_000)
  return { ...started, url: urlIn(started.output()) ?? '' }
}

/** Ends what a test left running. */
export async function endGatewayProcesses(): Promise<void> {
  const ended = [...running].map((child) => new Promise((resolve) => child.once('close', resolve)))
  for (const child of running) child.kill('SIGKILL')
  await within(Promise.all(ended), 'a gateway process did not end')
}
