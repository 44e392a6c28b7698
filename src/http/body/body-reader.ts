import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { bodyCut } from '../../services/files/file-intake.ts'
import { type BodyDeadlines, bodyDeadlinesOf, bodyStalled } from '../request/body-deadlines.ts'
import { sendContinue } from '../request/continue.ts'
import { probeWhilePaused } from './leave-probe.ts'

/** How much of a body is held until its reader takes it; the connection pauses beyond that. */
const HELD_BYTES = 128 * 1024

/** A body that is read chunk by chunk, as fast as its reader takes it. */
export class BodyReader {
  readonly #body: IncomingMessage
  readonly #deadlines: BodyDeadlines
  readonly #stopProbe: () => void
  #chunks: Buffer[] = []
  #heldBytes = 0
  #state: 'open' | 'ended' | 'cut' = 'open'
  #wake: (() => void) | undefined

  /** Begins to read: a caller that asked whether it may send is told to go on. */
  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#body = request.raw
    this.#deadlines = bodyDeadlinesOf(request)
    sendContinue(request, reply)
    this.#body.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#body.once('end', () => this.#close('ended'))
    this.#body.once('error', () => this.#close('cut'))
    this.#body.once('close', () => this.#close('cut'))
    this.#stopProbe = probeWhilePaused(this.#body, () => this.#heldBytes)
  }

  /** The next bytes, undefined at the end. Throws `request_timeout`, or `invalid_request` for a body that was cut. */
  async next(): Promise<Buffer | undefined> {
    if (this.#chunks.length === 0 && this.#state === 'open') await this.#more()
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.#heldBytes -= chunk.length
      return chunk
    }
    if (this.#state === 'ended') return undefined
    throw bodyCut()
  }

  /** Reads no further; what was not read stays on the connection. */
  stop(): void {
    this.#chunks = []
    this.#close('cut')
    this.#stopProbe()
    this.#body.pause()
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = undefined
        this.stop()
        reject(bodyStalled(this.#deadlines))
      }, this.#deadlines.bodyIdleMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#body.resume()
    })
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== 'open') return
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes >= HELD_BYTES) this.#body.pause()
    this.#notify()
  }

  #close(state: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return
    this.#state = state
    this.#notify()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
