import { once } from 'node:events'
import { connect } from 'node:net'
import { Agent, request } from 'undici'
import { TOKEN } from './gateway.ts'

export type Answer = {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  json: ReturnType<typeof JSON.parse>
}

const agent = new Agent({ bodyTimeout: 30_000, headersTimeout: 30_000 })

export type SendOptions = {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'HEAD' | 'PATCH'
  /** `null`: no Authorization at all. */
  token?: string | null
  headers?: Record<string, string | string[]>
  body?: string | Buffer | object
  signal?: AbortSignal
}

/** One request with the default token; an object as body is sent as JSON. */
export async function send(url: string, options: SendOptions = {}): Promise<Answer> {
  const { token = TOKEN, body } = options
  const isJson = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body)
  const answer = await request(url, {
    dispatcher: agent,
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(isJson ? { 'content-type': 'application/json' } : {}),
      ...options.headers,
    },
    body: isJson ? JSON.stringify(body) : ((body as string | Buffer | undefined) ?? null),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const text = await answer.body.text()
  return { status: answer.statusCode, headers: answer.headers, text, json: parse(text) }
}

/** The body of a run of a block of the emulator's. */
export function runOf(blockName: string, inputValues: object = {}): Record<string, unknown> {
  return { packageName: '@emulator/basics', packageVersion: 'latest', blockName, inputValues }
}

/** Writes bytes as they are on a connection of its own; gives everything that came back until it closed. */
export async function sendRaw(url: string, bytes: string | Buffer, deadlineMs = 5_000): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.setTimeout(deadlineMs, () => socket.destroy())
  await once(socket, 'connect')
  socket.write(bytes)
  if (!socket.closed) await once(socket, 'close')
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A request whose target and headers go out exactly as written, which no client library allows. */
export async function sendExactly(
  url: string,
  target: string,
  options: {
    method?: string
    headers?: readonly string[]
    body?: string | Buffer
    token?: string | null
  } = {},
): Promise<Answer> {
  const { method = 'GET', headers = [], body, token = TOKEN } = options
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${new URL(url).host}`, 'connection: close']
  if (token !== null) lines.push(`authorization: Bearer ${token}`)
  lines.push(...headers)
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`)
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  return toAnswer(await sendRaw(url, Buffer.concat([head, Buffer.from(body ?? '')])))
}

/** Reads the first answer off what came back on a bare socket. Chunked bodies stay as they are. */
export function toAnswer(received: string): Answer {
  const [head = '', ...rest] = received.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [name = '', ...value] = line.split(':')
    headers[name.toLowerCase()] = value.join(':').trim()
  }
  const text = rest.join('\r\n\r\n')
  return { status: Number(statusLine.split(' ')[1]), headers, text, json: parse(text) }
}
