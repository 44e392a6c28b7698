import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { MadeTask } from './ledger.ts'

export const TOKEN = 'soak-token-aaaaaaaaaaaaaaaa'
const HOST = '127.0.0.1'

/** A process under load. `metrics` are values by name and labels, as Prometheus would read them. */
export type GatewaySide = {
  url: string
  pid: number
  metrics(): Promise<Map<string, number>>
  kill(): Promise<void>
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>
}

/** The emulator in a process of its own. */
export type UpstreamSide = {
  misbehave(operation: string, fault: object, times: number): Promise<void>
  reset(): Promise<void>
  tasks(): Promise<MadeTask[]>
  env: Record<string, string>
  kill(): Promise<void>
}

/** Any free port. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, HOST, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

type Started = { child: ChildProcess; said: string; exit: Promise<number | null> }

/** Starts a TypeScript file of ours; resolves with its output once a line has `sign` in it. */
function start(file: string, env: Record<string, string>, sign: string): Promise<Started> {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  let said = ''
  return new Promise((resolve, reject) => {
    exit.then((code) => reject(new Error(`${file} ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes(sign)) resolve({ child, said: `${said}${line}`, exit })
      else if (line.includes('"level":"fatal"')) console.log(line)
      if (said.length < 10_000) said += `${line}\n`
    })
  })
}

function killer({ child, exit }: Started): () => Promise<void> {
  return async () => {
    child.kill('SIGKILL')
    await exit
  }
}

export async function startUpstream(): Promise<UpstreamSide> {
  const [port, storePort] = [await freePort(), await freePort()]
  const env = { EMULATOR_PORT: String(port), EMULATOR_STORE_PORT: String(storePort) }
  const started = await start('src/emulator/main.ts', env, 'API key')
  const url = `http://${HOST}:${port}`
  const control = async (path: string, body?: object): Promise<unknown> => {
    const init = body && { method: 'POST', body: JSON.stringify(body) }
    const answer = await fetch(`${url}/_emulator/${path}`, init)
    if (!answer.ok) throw new Error(`the emulator answered ${answer.status}: ${await answer.text()}`)
    return answer.json()
  }
  return {
    misbehave: async (operation, fault, times) => {
      await control('misbehave', { operation, fault, times })
    },
    reset: async () => {
      await control('reset', {})
    },
    tasks: async () => {
      const { tasks } = (await control('tasks')) as { tasks: { taskID: string; inputValues: KeyInputs }[] }
      return tasks.map(({ taskID, inputValues }) => ({ taskID, key: inputValues.value?.key }))
    },
    env: {
      OOMOL_API_KEY: 'emulator-key',
      OOMOL_BASE_URL: url,
      OOMOL_REGISTRY_URL: url,
      OOMOL_UPLOAD_BASE_URL: /upload API at (\S+)/.exec(started.said)?.[1] ?? '',
      OOMOL_ALLOW_INSECURE: 'true',
    },
    kill: killer(started),
  }
}

type KeyInputs = { value?: { key?: number } }

export async function startGateway(upstream: UpstreamSide, folder: string): Promise<GatewaySide> {
  const metricsPort = await freePort()
  const env = {
    ...upstream.env,
    HOST,
    PORT: '0',
    METRICS_PORT: String(metricsPort),
    GATEWAY_TOKENS: `soak:${TOKEN}`,
    STORE_URL: `file:${folder}`,
    SHUTDOWN_GRACE: '10s',
    NODE_OPTIONS: '--max-semi-space-size=8',
  }
  const started = await start('src/main.ts', env, 'listening at')
  const url = /listening at (http:\/\/127[\w.:]+)/.exec(started.said)?.[1] ?? ''
  return {
    url,
    pid: started.child.pid ?? 0,
    metrics: async () => parseMetrics(await (await fetch(`http://${HOST}:${metricsPort}/metrics`)).text()),
    kill: killer(started),
    stop: () => {
      started.child.kill('SIGTERM')
      return started.exit
    },
  }
}

function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(' ')
    if (!line.startsWith('#') && at > 0) values.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return values
}
