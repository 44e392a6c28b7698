import { connect } from 'node:net'
import { Agent, request } from 'undici'
import { afterEach } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import type { EmulatorOptions } from '../../src/emulator/options.ts'
import { within } from '../support/within.ts'

export const KEY = 'emulator-key'
export const TASKS = '/v3/users/me/tasks'

export type Reply = { status: number; headers: Record<string, unknown>; bytes: Buffer; text: string }

const running: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((close) => close()))
})

/** An emulator that ends with the test. */
export async function start(options: EmulatorOptions = {}): Promise<Emulator> {
  const emulator = await startEmulator(options)
  running.push(() => within(emulator.close(), 'the emulator did not close'))
  return emulator
}

export type CallOptions = {
  headers?: Record<string, string | string[]>
  body?: string | Buffer
  /** Left out: the emulator's usual key; null: none. */
  authorization?: string | null
}

/** One request on a connection of its own. */
export async function call(method: string, url: string, options: CallOptions = {}): Promise<Reply> {
  const { body, authorization = `Bearer ${KEY}` } = options
  const dispatcher = new Agent({ pipelining: 0 })
  try {
    const response = await within(
      request(url, {
        method: method as 'GET',
        headers: { ...(authorization === null ? {} : { authorization }), ...options.headers },
        body,
        dispatcher,
      }),
      `${method} ${url} was not answered`,
    )
    const bytes = Buffer.from(await within(response.body.arrayBuffer(), `${method} ${url} did not end`))
    return { status: response.statusCode, headers: response.headers, bytes, text: bytes.toString('utf8') }
  } finally {
    await dispatcher.destroy()
  }
}

/** Like `call`, for answers that are JSON. */
export async function ask(method: string, url: string, options: CallOptions = {}) {
  const { status, text } = await call(method, url, options)
  return { status, json: JSON.parse(text) }
}

export function createBody(blockName: string, inputValues?: unknown, rest: Record<string, unknown> = {}) {
  return JSON.stringify({
    type: 'serverless',
    packageName: '@emulator/basics',
    packageVersion: 'latest',
    blockName,
    inputValues,
    ...rest,
  })
}

/** Creates a task and answers with its id. */
export async function create(
  emulator: Emulator,
  body: string | Buffer,
  options: CallOptions = {},
): Promise<string> {
  const { json } = await ask('POST', emulator.url + TASKS, { ...options, body })
  if (typeof json.taskID !== 'string') throw new Error(`no task was created: ${JSON.stringify(json)}`)
  return json.taskID
}

export async function resultOf(emulator: Emulator, taskID: string, options: CallOptions = {}) {
  return ask('GET', `${emulator.url}${TASKS}/${taskID}/result`, options)
}

/** Asks for the result until the task has ended. */
export async function ended(emulator: Emulator, taskID: string) {
  async function poll() {
    for (;;) {
      const { json } = await resultOf(emulator, taskID)
      if (json.status === 'success' || json.status === 'failed') return json
    }
  }
  return within(poll(), `task ${taskID} did not end`)
}

/** Sends bytes on a bare socket; gives all that came back and how the connection ended. */
export function sendRaw(url: string, text: string): Promise<{ received: string; end: string }> {
  const { hostname, port } = new URL(url)
  const done = new Promise<{ received: string; end: string }>((resolve) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => socket.write(text, 'latin1'))
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ received, end: error.code ?? 'error' }))
    socket.once('end', () => resolve({ received, end: 'closed' }))
  })
  return within(done, 'the connection did not end')
}

export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: emulator\r\nAuthorization: ${KEY}\r\n\r\n`
}

export function post(path: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: emulator\r\nAuthorization: ${KEY}\r\n`
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
