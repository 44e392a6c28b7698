import { createHash, type Hash } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import { UploadAborted } from './abort.ts'

/** Bytes that are read chunk by chunk, at the reader's pace. */
export type ByteSource = {
  /** The next bytes, undefined at the end. Throws `GatewayError` when the end can't be reached. */
  next(): Promise<Buffer | undefined>
}

/** Where bytes are collected. */
type ByteList = {
  readonly bytes: number
  makeRoom(bytes: number): Promise<void> | undefined
  push(chunk: Buffer): void
}

/** One file that is being read: counted against its limit, hashed when asked; what was read ahead can be put back. */
export class FileIntake {
  readonly #source: ByteSource
  readonly #limitBytes: number
  readonly #signal: AbortSignal
  readonly #hash: Hash | undefined
  #pending: Buffer[] = []
  #ended = false
  #reject: ((error: UploadAborted) => void) | undefined
  /** Bytes read from the source so far. */
  bytes = 0

  constructor(source: ByteSource, options: { limitBytes: number; hash: boolean; signal: AbortSignal }) {
    this.#source = source
    this.#limitBytes = options.limitBytes
    this.#signal = options.signal
    this.#hash = options.hash ? createHash('sha256') : undefined
    // One listener for all chunks: adding one for each costs more than reading it.
    this.#signal.addEventListener('abort', () => this.#reject?.(new UploadAborted()), { once: true })
  }

  get ended(): boolean {
    return this.#ended
  }

  /** SHA-256 of all bytes, in hexadecimal; undefined unless asked for. To be called once. */
  digest(): string | undefined {
    return this.#hash?.digest('hex')
  }

  /** The next bytes, undefined at the end. Throws `too_large` beyond the limit. */
  async next(): Promise<Buffer | undefined> {
    const pending = this.#pending.shift()
    if (pending !== undefined) return pending
    if (this.#ended) return undefined
    const chunk = await this.#read()
    if (chunk === undefined) {
      this.#ended = true
      return undefined
    }
    this.bytes += chunk.length
    if (this.bytes > this.#limitBytes) throw tooLarge(this.#limitBytes)
    this.#hash?.update(chunk)
    return chunk
  }

  #read(): Promise<Buffer | undefined> {
    if (this.#signal.aborted) return Promise.reject(new UploadAborted())
    return new Promise((resolve, reject) => {
      this.#reject = reject
      this.#source.next().then(resolve, reject)
    })
  }

  /** Collects until the list has `bytes` bytes, or fewer when the file ends before. */
  async collect<T extends ByteList>(list: T, bytes: number): Promise<T> {
    while (list.bytes < bytes) {
      const chunk = await this.next()
      if (chunk === undefined) break
      const missing = bytes - list.bytes
      if (chunk.length > missing) this.#pending.unshift(chunk.subarray(missing))
      const room = list.makeRoom(Math.min(chunk.length, missing))
      if (room !== undefined) await room
      list.push(chunk.length <= missing ? chunk : chunk.subarray(0, missing))
    }
    return list
  }

  /** Puts chunks that were taken back in front. */
  putBack(chunks: readonly Buffer[]): void {
    this.#pending = [...chunks, ...this.#pending]
  }

  /** Whether what was put back has all been taken again. */
  get isCaughtUp(): boolean {
    return this.#pending.length === 0
  }
}

/** A file is larger than its caller may send. */
export function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError({ code: 'too_large', what: 'The file', limitBytes })
}

/** The connection ended before the body did. */
export function bodyCut(): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail: 'Send all of the body: it ended early.' })
}
