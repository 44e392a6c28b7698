import { Agent, request } from 'undici'
import type { Ledger } from './ledger.ts'
import { TOKEN } from './sides.ts'

type Load = {
  /** The gateway as it is reached now; it moves with each restart. */
  url: () => string
  ledger: Ledger
  random: () => number
}

/** A pause after what failed at once, because the gateway was being started, in milliseconds. */
const PAUSE_MS = 200
/** Keys in use at the same time; each is repeated a few times, also while its first request is under way. */
const KEYS_IN_USE = 40
const FILE = Buffer.alloc(300_000, 'soak')
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` }
const MCP = { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' }

type Sent = { status: number; text: string; taskID: string | undefined }

/** Mixed callers, of whom some leave in the midst. Each kind is a loop that goes on until it is told to stop. */
export class Callers {
  readonly #load: Load
  readonly #agent = new Agent({ bodyTimeout: 60_000, headersTimeout: 60_000 })
  #isStopped = false
  #nextKey = 0
  #nextValue = 0
  #loops: Promise<void>[] = []

  constructor(load: Load) {
    this.#load = load
  }

  begin(): void {
    const loops: [number, string, () => Promise<unknown>][] = [
      [3, 'run', () => this.#run('run')],
      [5, 'keyed run', () => this.#runWithKey(this.#pickKey())],
      [2, 'run left', () => this.#leave(() => this.#run('run left', this.#soon()))],
      [2, 'keyed run left', () => this.#leave(() => this.#runWithKey(this.#pickKey(), this.#soon()))],
      [2, 'read', () => this.#read()],
      [1, 'upload', () => this.#send('upload', '/files/soak.bin', { method: 'PUT', body: FILE })],
      [2, 'events', () => this.#run('events', undefined, { accept: 'text/event-stream' })],
      [1, 'mcp', () => this.#mcp()],
    ]
    this.#loops = loops.flatMap(([count, kind, step]) =>
      Array.from({ length: count }, () => this.#repeat(kind, step)),
    )
  }

  /** Lets every request come to its end. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#loops)
  }

  /** Repeats each key that has no task yet until it has one, or the time is over. */
  async settleKeys(deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs
    while (this.#load.ledger.openKeys.length > 0 && performance.now() < endMs) {
      const keys = this.#load.ledger.openKeys.slice(0, 20)
      await Promise.all(keys.map((key) => this.#runWithKey(key).catch(() => {})))
      await pause(PAUSE_MS)
    }
  }

  async close(): Promise<void> {
    await this.#agent.close()
  }

  async #repeat(kind: string, step: () => Promise<unknown>): Promise<void> {
    while (!this.#isStopped) {
      try {
        await step()
      } catch (error) {
        this.#load.ledger.count(kind, (error as { code?: string }).code ?? 'error')
        await pause(PAUSE_MS)
      }
      await pause(50 * this.#load.random())
    }
  }

  /** A key in use: the newest ones again and again, and now and then a new one. */
  #pickKey(): number {
    if (this.#load.random() < 0.4) this.#nextKey += 1
    return Math.max(0, this.#nextKey - Math.floor(KEYS_IN_USE * this.#load.random()))
  }

  #soon(): AbortSignal {
    return AbortSignal.timeout(Math.ceil(400 * this.#load.random()))
  }

  /** What ends because its caller leaves is no failure. */
  async #leave(step: () => Promise<unknown>): Promise<void> {
    await step().catch((error) => {
      if ((error as Error).name !== 'TimeoutError') throw error
    })
  }

  async #run(kind: string, signal?: AbortSignal, headers?: Record<string, string>): Promise<void> {
    this.#nextValue += 1
    const body = runOf({ value: { unkeyed: this.#nextValue }, seconds: this.#load.random() })
    const { taskID } = await this.#send(kind, '/run?wait=3', { body, headers, signal })
    this.#load.ledger.answer(taskID)
  }

  async #runWithKey(key: number, signal?: AbortSignal): Promise<void> {
    const { ledger } = this.#load
    ledger.begin(key)
    const headers = { 'idempotency-key': `soak-${key}` }
    const body = runOf({ value: { key }, seconds: (key % 10) / 10 })
    const { taskID, text } = await this.#send('keyed run', '/run?wait=3', { body, headers, signal })
    if (taskID === undefined) ledger.refuse(key, codeOf(text))
    ledger.answer(taskID, key)
  }

  async #read(): Promise<void> {
    const paths = [
      '/tasks?size=20',
      '/tasks/none',
      '/queue',
      '/functions',
      '/readyz',
      '/tasks/latest?workloadIDs=a',
    ]
    const path = paths[Math.floor(paths.length * this.#load.random())] ?? '/tasks'
    await this.#send('read', path, {})
  }

  async #mcp(): Promise<void> {
    this.#nextValue += 1
    const args = { ...runOf({ value: { unkeyed: this.#nextValue }, seconds: 0.2 }), waitSeconds: 3 }
    const params = { name: 'execute_task', arguments: args }
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
    await this.#send('mcp', '/mcp', { body, headers: MCP })
  }

  async #send(
    kind: string,
    path: string,
    options: {
      method?: 'PUT'
      body?: object
      headers?: Record<string, string> | undefined
      signal?: AbortSignal | undefined
    },
  ): Promise<Sent> {
    const { body, signal } = options
    const isJson = body !== undefined && !Buffer.isBuffer(body)
    const answer = await request(this.#load.url() + path, {
      dispatcher: this.#agent,
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...AUTHORIZATION,
        ...(isJson && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: isJson ? JSON.stringify(body) : ((body as Buffer | undefined) ?? null),
      signal: signal ?? null,
    })
    const text = await answer.body.text()
    this.#load.ledger.count(kind, answer.statusCode)
    const taskID = answer.headers['x-task-id']
    return { status: answer.statusCode, text, taskID: typeof taskID === 'string' ? taskID : undefined }
  }
}

function runOf(inputValues: object): Record<string, unknown> {
  return { packageName: '@emulator/basics', packageVersion: 'latest', blockName: 'sleep', inputValues }
}

function codeOf(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? 'no code'
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
