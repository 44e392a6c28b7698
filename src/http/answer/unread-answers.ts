import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The large answers of this gateway that their callers have not read to the end. */
    unreadAnswers: UnreadAnswers
  }
}

type UnreadLimits = { callerBytes: number; processBytes: number }

/** A caller's share is small enough that four that read nothing are needed to fill the process. */
const UNREAD_LIMITS: UnreadLimits = { callerBytes: 64 * 2 ** 20, processBytes: 256 * 2 ** 20 }

/** Smaller answers are not counted: the sockets' own buffers are of this size. */
const LARGE_BYTES = 64 * 1024

/** Bytes of bodies, each counted once however many readers share it. */
class HeldBodies {
  readonly #readers = new Map<object, number>()
  #bytes = 0

  fits(body: object, bytes: number, limitBytes: number): boolean {
    return this.#readers.has(body) || this.#bytes + bytes <= limitBytes
  }

  add(body: object, bytes: number): void {
    const readers = this.#readers.get(body) ?? 0
    this.#readers.set(body, readers + 1)
    if (readers === 0) this.#bytes += bytes
  }

  remove(body: object, bytes: number): void {
    const readers = (this.#readers.get(body) ?? 1) - 1
    if (readers > 0) {
      this.#readers.set(body, readers)
      return
    }
    this.#readers.delete(body)
    this.#bytes -= bytes
  }

  get isEmpty(): boolean {
    return this.#readers.size === 0
  }
}

/** Bounds the memory of large answers on their way to callers that may not read them, per caller and for all. */
export class UnreadAnswers {
  readonly #limits: UnreadLimits
  readonly #all = new HeldBodies()
  readonly #callers = new Map<string, HeldBodies>()

  constructor(limits: UnreadLimits = UNREAD_LIMITS) {
    this.#limits = limits
  }

  /** Counts a body until its answer is over. False, and not counted, when it is too much for its caller or for all. */
  hold(callerID: string, payload: string | Buffer, response: ServerResponse): boolean {
    const bytes = Buffer.byteLength(payload)
    if (bytes < LARGE_BYTES) return true
    const body = typeof payload === 'string' ? {} : payload
    const own = this.#callers.get(callerID) ?? new HeldBodies()
    const { callerBytes, processBytes } = this.#limits
    // One answer always goes: a result may be larger than any limit here.
    if (!own.isEmpty && !own.fits(body, bytes, callerBytes)) return false
    if (!this.#all.isEmpty && !this.#all.fits(body, bytes, processBytes)) return false
    this.#callers.set(callerID, own)
    own.add(body, bytes)
    this.#all.add(body, bytes)
    response.once('close', () => {
      own.remove(body, bytes)
      this.#all.remove(body, bytes)
      if (own.isEmpty) this.#callers.delete(callerID)
    })
    return true
  }
}

/** Counts a body that is about to be sent. False when too much is unread already. */
export function holdAnswer(request: FastifyRequest, reply: FastifyReply, payload: string | Buffer): boolean {
  // Nothing is sent to a caller that has left.
  if (reply.raw.destroyed) return true
  return request.server.unreadAnswers.hold(request.caller?.id ?? '', payload, reply.raw)
}

/** The same for answers that can only be refused. Throws `overloaded`. */
export function requireRoomForAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: string | Buffer,
): void {
  if (holdAnswer(request, reply, payload)) return
  const detail = 'Read the large answers that are on their way, then send this again.'
  throw new GatewayError({ code: 'overloaded', detail })
}
