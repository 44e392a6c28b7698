import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { sendContinue } from '../request/continue.ts'

/** As much is taken from the connection before it is held back. */
const HELD_BYTES = 128 * 1024

/**
 * A connection that is not read from is never seen to end: a caller that has left would go unnoticed for as
 * long as its body is held back. So one looks every now and then, which costs a few more bytes in memory.
 */
const PROBE_MS = 400
const PROBE_BYTES = 512 * 1024
const MOST_HELD_BYTES = 2 * 2 ** 20

/** A body that is read chunk by chunk, as fast as its reader takes it. */
export class BodyReader {
  readonly #request: FastifyRequest
  readonly #idleMs: number
  #chunks: Buffer[] = []
  #held = 0
  #state: 'open' | 'ended' | 'cut' = 'open'
  #allowedBytes = HELD_BYTES
  #probe: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  /** Bytes handed out so far. */
  bytesRead = 0

  /**
   * Begins to read: a caller that asked whether it may send is told to go on. `idleMs`: how long the body may
   * stand still while somebody waits for it.
   */
  constructor(request: FastifyRequest, reply: FastifyReply, idleMs: number) {
    this.#request = request
    this.#idleMs = idleMs
    sendContinue(request, reply)
    request.raw.on('data', (chunk: Buffer) => this.#onData(chunk))
    request.raw.once('end', () => this.#close('ended'))
    request.raw.once('error', () => this.#close('cut'))
    request.raw.once('close', () => this.#close('cut'))
  }

  /** The next bytes, undefined at the end. Throws `request_timeout`, or `invalid_request` for a body that was cut. */
  async next(): Promise<Buffer | undefined> {
    if (this.#chunks.length === 0 && this.#state === 'open') await this.#more()
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.bytesRead += chunk.length
      this.#held -= chunk.length
      return chunk
    }
    if (this.#state === 'ended') return undefined
    throw new GatewayError({ code: 'invalid_request', detail: 'The body ended early.' })
  }

  /** Reads no further; what was not read stays on the connection. */
  stop(): void {
    this.#chunks = []
    this.#close('cut')
    this.#request.raw.pause()
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = undefined
        this.stop()
        reject(new GatewayError({ code: 'request_timeout', detail: 'The body did not come in time.' }))
      }, this.#idleMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#release(HELD_BYTES)
    })
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== 'open') return
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held >= this.#allowedBytes) this.#holdBack()
    this.#stir()
  }

  #holdBack(): void {
    this.#request.raw.pause()
    clearTimeout(this.#probe)
    if (this.#allowedBytes >= MOST_HELD_BYTES) return
    this.#probe = setTimeout(() => this.#release(this.#held + PROBE_BYTES), PROBE_MS)
  }

  /** Reads on until so many bytes are held. */
  #release(allowedBytes: number): void {
    clearTimeout(this.#probe)
    this.#allowedBytes = allowedBytes
    this.#request.raw.resume()
  }

  #close(state: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return
    this.#state = state
    clearTimeout(this.#probe)
    this.#stir()
  }

  #stir(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
