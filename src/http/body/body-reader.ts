import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ByteCollector, isSmallChunk } from '../../domain/byte-collector.ts'
import type { GatewayError } from '../../errors.ts'
import { bodyCut } from '../../services/files/file-intake.ts'
import { bodyDeadlinesOf } from '../request/body-deadlines.ts'
import { sendContinue } from '../request/continue.ts'
import { BodyPace } from './body-pace.ts'
import { probeWhilePaused } from './leave-probe.ts'

/** How much of a body is held until its reader takes it; the connection pauses beyond that. */
const HELD_BYTES = 128 * 1024

/**
 * The same while small chunks come. Node has many of them parsed at once, and keeps each in a Buffer of its own if we
 * pause between them; so all of them are taken, and copied together, before.
 */
const HELD_SMALL_BYTES = 4 * HELD_BYTES

/** A body that is read chunk by chunk, as fast as its reader takes it. */
export class BodyReader {
  readonly #body: IncomingMessage
  readonly #pace: BodyPace
  readonly #stopProbe: () => void
  readonly #held = new ByteCollector()
  #state: 'open' | 'ended' | 'cut' = 'open'
  #failure: GatewayError | undefined
  #wake: (() => void) | undefined
  /** After all chunks that are parsed already. */
  #soon: NodeJS.Immediate | undefined

  /** Begins to read: a caller that asked whether it may send is told to go on. */
  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#body = request.raw
    this.#pace = new BodyPace(bodyDeadlinesOf(request), (error) => this.#fail(error))
    sendContinue(request, reply)
    this.#body.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#body.once('end', () => this.#close('ended'))
    this.#body.once('error', () => this.#close('cut'))
    this.#body.once('close', () => this.#close('cut'))
    this.#stopProbe = probeWhilePaused(this.#body, () => this.#held.bytes)
  }

  /** The next bytes, undefined at the end. Throws `request_timeout`, or `invalid_request` for a body that was cut. */
  async next(): Promise<Buffer | undefined> {
    if (this.#held.bytes === 0 && this.#state === 'open') await this.#more()
    const bytes = this.#held.shift()
    if (bytes !== undefined) return bytes
    if (this.#state === 'ended') return undefined
    throw this.#failure ?? bodyCut()
  }

  /** Reads no further; what was not read stays on the connection. */
  stop(): void {
    this.#held.clear()
    this.#close('cut')
    this.#stopProbe()
    this.#body.pause()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#pace.wait()
      this.#wake = resolve
      this.#body.resume()
    })
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== 'open') return
    this.#pace.came(chunk.length)
    this.#held.append(chunk)
    if (isSmallChunk(chunk) && this.#held.bytes < HELD_SMALL_BYTES) {
      this.#soon ??= setImmediate(() => this.#onTaken())
    } else this.#onTaken()
  }

  #onTaken(): void {
    clearImmediate(this.#soon)
    this.#soon = undefined
    if (this.#state !== 'open') return
    if (this.#held.bytes >= HELD_BYTES) this.#body.pause()
    this.#notify()
  }

  #fail(error: GatewayError): void {
    this.#failure = error
    this.stop()
  }

  #close(state: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return
    this.#state = state
    this.#notify()
  }

  #notify(): void {
    const wake = this.#wake
    // What came may have been taken already, by a reader that was not waiting when it came.
    if (wake === undefined || (this.#held.bytes === 0 && this.#state === 'open')) return
    this.#wake = undefined
    this.#pace.rest()
    wake()
  }
}
