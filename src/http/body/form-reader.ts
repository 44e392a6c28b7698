import type { IncomingMessage } from 'node:http'
import multipart, { type Multipart } from '@fastify/multipart'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { type ByteSource, bodyCut } from '../../services/files/file-intake.ts'
import { bodyDeadlinesOf } from '../request/body-deadlines.ts'
import { sendContinue } from '../request/continue.ts'
import { headerOf } from '../request/request-headers.ts'
import { BodyPace } from './body-pace.ts'
import { FormOutline, malformed, parseBoundary } from './form-outline.ts'
import { probeWhilePaused } from './leave-probe.ts'

const MAX_NAME_BYTES = 100
/** More than the files and fields that are taken, and inputs where no file was chosen. */
const MAX_PARTS = 256
const IDENTITY_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary'])

/**
 * Every part as a stream of its bytes, nothing cut or decoded. The marks of 1 hold a part back as soon as
 * something of it is unread: parts that wait for their turn would take memory beside every budget.
 */
const PARSING = {
  isPartAFile: () => true,
  preservePath: true,
  highWaterMark: 1,
  fileHwm: 1,
  limits: { parts: MAX_PARTS, fileSize: Number.POSITIVE_INFINITY },
}

/** The library logs a form's headers at the level `trace`, and the caller's credential with them. */
export const FORM_LOGGING = { logSerializers: { busboyOptions: () => 'hidden' } }

/** Lets the routes of this instance take forms. */
export function registerForms(app: FastifyInstance): void {
  app.register(multipart)
}

/** One part: what its head says, and its bytes, which must be read to their end before the next part. */
export type FormPart = {
  name: string
  /** Undefined for a text field; may be empty. */
  filename: string | undefined
  body: ByteSource
  /** What the part has if nothing follows it, in bytes; undefined for a form of unknown length. */
  expectedBytes: number | undefined
}

/** Reads the parts of a form one after the other. Everything throws `GatewayError`: 400, 408 or 413. */
export class FormReader {
  readonly #body: IncomingMessage
  readonly #outline: FormOutline
  readonly #pace: BodyPace
  readonly #stopProbe: () => void
  readonly #parts: AsyncIterator<Multipart>
  #partCount = 0
  #receivedBytes = 0
  /** Where in the body the reading of parts has come to. */
  #readTo = 0
  #failure: GatewayError | undefined
  #reject: ((error: GatewayError) => void) | undefined

  /** A caller that asked whether it may send is told to go on. */
  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#outline = new FormOutline(parseBoundary(headerOf(request, 'content-type') ?? ''))
    this.#body = request.raw
    this.#pace = new BodyPace(bodyDeadlinesOf(request), (error) => this.#fail(error))
    sendContinue(request, reply)
    // The library begins to read with the first `next`; this listener has to come before its own.
    this.#body.pause()
    this.#body.on('data', this.#onData)
    this.#stopProbe = probeWhilePaused(this.#body, () => this.#receivedBytes - this.#readTo)
    this.#parts = request.parts(PARSING)
  }

  /** The next part; undefined after the last, when the form has ended as it should. */
  async next(): Promise<FormPart | undefined> {
    const { value: part, done } = await this.#step(() => this.#parts.next())
    if (done) {
      await this.#finish()
      return undefined
    }
    const offset = this.#outline.offsets[this.#partCount]
    this.#partCount += 1
    if (part.type !== 'file' || offset === undefined)
      throw malformed(
        "A part of the form can't be read. Build the form with a library for multipart/form-data.",
      )
    return {
      ...readHead(part),
      body: this.#toSource(part.file[Symbol.asyncIterator](), offset),
      expectedBytes: this.#expectedBytes(offset),
    }
  }

  /** Reads no further; what was not read stays on the connection. */
  stop(): void {
    this.#stopProbe()
    this.#body.off('data', this.#onData)
    this.#body.unpipe()
    this.#body.pause()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#receivedBytes += chunk.length
    this.#pace.came(chunk.length)
    try {
      this.#outline.push(chunk)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.#fail(error)
    }
  }

  #toSource(chunks: AsyncIterator<Buffer>, offset: number): ByteSource {
    this.#readTo = offset
    return {
      next: async () => {
        const { value, done } = await this.#step(() => chunks.next())
        if (done) return undefined
        this.#readTo += value.length
        return value
      },
    }
  }

  #expectedBytes(offset: number): number | undefined {
    const length = this.#body.headers['content-length']
    const bytes = Number(length) - offset - this.#outline.closingBytes
    return bytes >= 0 ? bytes : undefined
  }

  /** Reads on to the end of the body, and makes sure that no part was lost. */
  async #finish(): Promise<void> {
    if (!this.#body.readableEnded) await this.#step(() => this.#ended())
    if (!this.#outline.isClosed) throw malformed('The form ends before its closing boundary.')
    if (this.#partCount === 0) throw malformed('The form has no part.')
    if (this.#partCount !== this.#outline.offsets.length) {
      throw malformed(
        "The head of a part can't be read. Give each part the header Content-Disposition: form-data with a name.",
      )
    }
  }

  #ended(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#body.once('end', resolve).once('close', () => reject(bodyCut()))
      this.#body.resume()
    })
  }

  /** The library's answer, unless the form fails or comes too slowly before. */
  #step<T>(begin: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject
      this.#pace.wait()
      begin()
        .then(resolve, (error: unknown) => reject(this.#failure ?? toFormError(error)))
        .finally(() => this.#pace.rest())
    })
  }

  #fail(failure: GatewayError): void {
    this.#failure ??= failure
    this.stop()
    this.#pace.rest()
    this.#reject?.(this.#failure)
  }
}

function readHead(part: Multipart): { name: string; filename: string | undefined } {
  const { fieldname: name, encoding } = part
  // The library's types promise more than it does: either may be missing.
  const filename: string | undefined = part.type === 'file' ? part.filename : undefined
  if (!IDENTITY_ENCODINGS.has(encoding.trim())) {
    throw malformed('A part has a Content-Transfer-Encoding, which forms do not have.')
  }
  if (!name) throw malformed('A Content-Disposition has no name.')
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new GatewayError({ code: 'too_large', what: 'The name of a field', limitBytes: MAX_NAME_BYTES })
  }
  return { name, filename }
}

/** What the library fails with, or Node's streams under it. */
function toFormError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'FST_MP_PREMATURE_CLOSE' || code === 'ECONNRESET') return bodyCut()
  if (code === 'FST_PARTS_LIMIT') {
    const detail = `The form has more than the ${MAX_PARTS} parts allowed.`
    return new GatewayError({ code: 'too_large', detail })
  }
  // No closing boundary, or a name that objects have by themselves.
  return malformed(
    "The form can't be read. End it with its closing boundary, and use other names for its fields.",
  )
}
