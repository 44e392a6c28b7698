import { type Dispatcher, Pool } from 'undici'
import { ByteCollector } from '../domain/byte-collector.ts'
import { createConnector } from './connector.ts'

/** Connections to one origin; further calls wait for one within their own deadlines. */
const CONNECTIONS_PER_ORIGIN = 256

const CONNECT_TIMEOUT_MS = 10_000

/** Shorter than servers and load balancers keep idle connections, so that they rarely close one that we use. */
const IDLE_CONNECTION_MS = 4_000

export type HttpMethod = 'GET' | 'POST' | 'PUT'

/** One call. `headers` is a flat list of names and values from an allow-list of ours: no header of a caller is copied. */
export type HttpCall = {
  origin: string
  /** Path and query, percent-encoded. */
  path: string
  method: HttpMethod
  headers: readonly string[]
  /** Several chunks are written one after the other; their `content-length` is among the headers. */
  body?: Buffer | Iterable<Buffer> | null
  /** Whole milliseconds from now to the last byte of the answer. */
  deadlineMs: number
  maxAnswerBytes: number
  signal?: AbortSignal | undefined
  /**
   * Asked right before the first byte is written, however long the call waited for its connection: true, and
   * nothing is sent (`late`). The connection is kept.
   */
  isTooLate?: (() => boolean) | undefined
}

/** An answer whose head and body have arrived whole. `headers` are lower-case; of a repeated one the last counts. */
export type HttpAnswer = { status: number; headers: Readonly<Record<string, string>>; body: Buffer }

/** Why a call has no answer. */
export type TransportKind =
  | 'unreachable'
  | 'reset'
  | 'timeout'
  | 'aborted'
  | 'late'
  | 'too-large'
  | 'encoded'
  | 'malformed'

/**
 * A call without a complete answer. `sent`: a byte of it may have reached the server. Only if it is false may
 * a call that must not happen twice be repeated.
 */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly kind: TransportKind
  readonly sent: boolean

  constructor(kind: TransportKind, sent: boolean, cause?: unknown) {
    super(kind, { cause })
    this.kind = kind
    this.sent = sent
  }
}

/** Whether nothing was sent because it was too late for it. Also of an error that was made of that. */
export function isLate(error: unknown): boolean {
  if (error instanceof TransportError) return error.kind === 'late'
  return error instanceof Error && error.cause instanceof TransportError && error.cause.kind === 'late'
}

export type HttpClient = {
  /** Makes the call once. Rejects only with `TransportError`; any status is an answer. */
  call(call: HttpCall): Promise<HttpAnswer>
  /** Ends every connection at once; calls under way and all later ones reject. */
  close(): Promise<void>
}

/** The client behind every call upstream: pooled, no redirects, no decompression, bounded in time and size. */
export function createHttpClient({
  allowInsecure,
  connectionsPerOrigin: connections = CONNECTIONS_PER_ORIGIN,
}: {
  allowInsecure: boolean
  connectionsPerOrigin?: number | undefined
}): HttpClient {
  const connect = createConnector({ allowInsecure, connectTimeoutMs: CONNECT_TIMEOUT_MS })
  const pools = new Map<string, Pool>()
  let isClosed = false

  const poolOf = (origin: string): Pool => {
    let pool = pools.get(origin)
    if (pool === undefined) {
      pool = new Pool(origin, {
        connect,
        connections,
        keepAliveTimeout: IDLE_CONNECTION_MS,
        // The total deadline is ours: undici's own timeouts start again with every chunk.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      pools.set(origin, pool)
    }
    return pool
  }

  return {
    call: (call) => {
      if (isClosed) return Promise.reject(new TransportError('aborted', false))
      return new Promise((resolve, reject) =>
        new PendingCall(call, resolve, reject).start(poolOf(call.origin)),
      )
    },
    close: async () => {
      isClosed = true
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
      pools.clear()
    },
  }
}

/** One call under way: collects the answer, settles exactly once, and then releases timer and signal. */
class PendingCall implements Dispatcher.DispatchHandler {
  readonly #call: HttpCall
  readonly #resolve: (answer: HttpAnswer) => void
  readonly #reject: (error: TransportError) => void
  readonly #timer: NodeJS.Timeout
  readonly #body = new ByteCollector()
  readonly #onAbort = () => this.#fail('aborted')
  #controller: Dispatcher.DispatchController | undefined
  #settled = false
  #status = 0
  #headers: Record<string, string> = {}

  constructor(
    call: HttpCall,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: TransportError) => void,
  ) {
    this.#call = call
    this.#resolve = resolve
    this.#reject = reject
    this.#timer = setTimeout(() => this.#fail('timeout'), call.deadlineMs)
    call.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  start(pool: Pool): void {
    if (this.#call.signal?.aborted) {
      this.#fail('aborted')
      return
    }
    const { path, method, headers, body = null } = this.#call
    try {
      // undici takes any iterable; its types name streams only.
      pool.dispatch({ path, method, headers: [...headers], body: body as Buffer | null }, this)
    } catch (error) {
      this.#fail('malformed', error)
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It must not be sent any more. Thrown, not aborted: that would end the connection, which is as good as new.
    if (this.#settled) throw new Error('already failed')
    if (this.#call.isTooLate?.()) {
      this.#fail('late')
      throw new Error('late')
    }
    this.#controller = controller
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    this.#status = status
    for (const [name, value] of Object.entries(headers)) {
      const last = Array.isArray(value) ? value.at(-1) : value
      if (last !== undefined) this.#headers[name] = last
    }
    const encoding = this.#headers['content-encoding']
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') this.#fail('encoded')
    else if (Number(this.#headers['content-length']) > this.#call.maxAnswerBytes) this.#fail('too-large')
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body.bytes + chunk.length > this.#call.maxAnswerBytes) this.#fail('too-large')
    else this.#body.append(chunk)
  }

  onResponseEnd(): void {
    if (!this.#settle()) return
    this.#resolve({ status: this.#status, headers: this.#headers, body: this.#body.concat() })
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(kindOf(error, this.#controller !== undefined), error)
  }

  #fail(kind: TransportKind, cause?: unknown): void {
    if (!this.#settle()) return
    const sent = this.#controller !== undefined
    this.#controller?.abort(new Error(kind))
    this.#reject(new TransportError(kind, sent, cause))
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    clearTimeout(this.#timer)
    this.#call.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

function kindOf(error: Error & { code?: string }, sent: boolean): TransportKind {
  if (error.code?.startsWith('HPE_')) return 'malformed'
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout'
  // The client was closed: a repeat is useless.
  if (error.code === 'UND_ERR_DESTROYED' || error.code === 'UND_ERR_CLOSED') return 'aborted'
  return sent ? 'reset' : 'unreachable'
}
