import type { PartStore } from '../cloud/part-store.ts'
import type { UploadApi } from '../cloud/upload-api.ts'
import { extensionOf } from '../domain/file-names.ts'
import { retryPauseMs } from '../domain/retry.ts'
import { partBytes, type UploadPlan } from '../domain/upload-plan.ts'
import { type FailureCode, GatewayError } from '../errors.ts'
import { pause, UploadAborted, unlessAborted } from './abort.ts'
import type { ByteBudget, Lease } from './byte-budget.ts'
import { type RequestContext, toCallContext } from './caller.ts'
import type { Drain } from './drain.ts'
import { type ByteSource, FileIntake, tooLarge } from './file-intake.ts'
import type { Owners } from './owners.ts'
import { PartSender } from './part-sender.ts'
import type { Spool } from './spool.ts'

/** As much of a file is read before its size has to be known. */
const READ_AHEAD_BYTES = 8 * 2 ** 20

/** A form's closing line may be shorter by its line end than expected; one byte more, so that the end is seen. */
const CLOSING_SLACK_BYTES = 3

/** How often the last step of an upload is asked for. */
const FINALISE_TRIES = 3

/** What may be asked again when finalising an upload failed. */
const WORTH_ASKING_AGAIN: ReadonlySet<FailureCode> = new Set([
  'upstream_unreachable',
  'upstream_error',
  'upstream_unavailable',
])

/** A file as it comes in. */
export type IncomingFile = {
  /** `isFileName`. */
  name: string
  source: ByteSource
  /** What the caller says, which must be right. */
  declaredBytes: number | undefined
  /** What the size must be if nothing follows the file. */
  expectedBytes: number | undefined
  /** Whether its SHA-256 is wanted. */
  hash?: boolean
  /** Told after each part that has reached the store. */
  onProgress?: (sentBytes: number, totalBytes: number) => void
}

/** A file that has reached upstream; `sha256` (hexadecimal) only if it was asked for. */
export type UploadedFile = {
  name: string
  url: string
  size: number
  mimeType: string
  expiresAt: string | null
  sha256?: string | undefined
}

/** A file of which every byte has reached the store, and which is not there for anyone yet. */
export type SentFile = {
  /** Hexadecimal; undefined unless it was asked for. */
  readonly sha256: string | undefined
  /** Gives the file its URL. Throws `GatewayError`. */
  finalise(): Promise<UploadedFile>
}

export type Uploads = {
  /** Throws `draining` when nothing new may begin; to be called once a request, before its body is read. */
  admit(): void
  /** The largest single file that this caller may send, in bytes. */
  limitBytes(context: RequestContext): number
  /** Streams a file to the store. Throws `GatewayError`. */
  send(context: RequestContext, file: IncomingFile): Promise<SentFile>
  /** Upstream's own answers, for those who send the parts themselves. */
  nativeInit(context: RequestContext, body: Buffer, sizeBytes: number): Promise<Buffer>
  nativeUrl(context: RequestContext, uploadID: string): Promise<Buffer>
  /** Memory held by parts at the moment. */
  readonly heldBytes: number
}

export type UploadsParts = {
  api: UploadApi
  store: PartStore
  budget: ByteBudget
  /**
   * Part of `budget`: how much of it may be read ahead. Who has read ahead asks for more while it holds that,
   * so all of it taken like this would leave everyone waiting for everyone.
   */
  aheadBudget: ByteBudget
  spool: Spool
  owners: Owners
  drain: Drain
  maxUploadBytes: number
  random: () => number
}

export function createUploads(parts: UploadsParts): Uploads {
  const { api, budget, drain, owners } = parts
  const limitBytes = ({ caller }: RequestContext) =>
    Math.min(caller.rules.limits.uploadBytes ?? Number.POSITIVE_INFINITY, parts.maxUploadBytes)
  return {
    get heldBytes() {
      return budget.held
    },
    admit: () => {
      if (drain.draining) throw new GatewayError({ code: 'draining' })
    },
    limitBytes,
    send: async (context, file) => {
      const limit = limitBytes(context)
      if ((file.declaredBytes ?? 0) > limit) throw tooLarge(limit)
      const abort = new AbortController()
      const onLeave = () => abort.abort()
      context.signal.addEventListener('abort', onLeave, { once: true })
      if (context.signal.aborted) onLeave()
      try {
        const { plan, sha256 } = await new Upload(parts, context, file, limit, abort).run()
        return { sha256, finalise: () => finalise(parts, context, file.name, plan, sha256) }
      } catch (error) {
        throw error instanceof UploadAborted ? callerLeft() : error
      } finally {
        abort.abort()
        context.signal.removeEventListener('abort', onLeave)
      }
    },
    nativeInit: async (context, body, sizeBytes) => {
      const limit = limitBytes(context)
      if (sizeBytes > limit) throw tooLarge(limit)
      const { uploadID, answer } = await api.nativeInit(toCallContext(context), body)
      await owners.recordUpload(context, uploadID)
      return answer.bytes
    },
    nativeUrl: async (context, uploadID) => {
      await owners.requireUpload(context, uploadID)
      return (await api.nativeUrl(toCallContext(context), uploadID)).bytes
    },
  }
}

type StoredUpload = { plan: UploadPlan; sha256: string | undefined }

/** One file on its way to the store. */
class Upload {
  readonly #parts: UploadsParts
  readonly #context: RequestContext
  readonly #file: IncomingFile
  readonly #limitBytes: number
  readonly #abort: AbortController
  readonly #intake: FileIntake
  /** Memory for what was read ahead and is not yet part of a part. */
  #ahead: Lease | undefined
  /** Leave to hold it, until no more has to be asked for beside it. */
  #aheadLeave: Lease | undefined

  constructor(
    parts: UploadsParts,
    context: RequestContext,
    file: IncomingFile,
    limitBytes: number,
    abort: AbortController,
  ) {
    this.#parts = parts
    this.#context = context
    this.#file = file
    this.#limitBytes = limitBytes
    this.#abort = abort
    this.#intake = new FileIntake(file.source, { limitBytes, hash: file.hash ?? false, signal: abort.signal })
  }

  async run(): Promise<StoredUpload> {
    try {
      const sizeBytes = this.#file.declaredBytes ?? (await this.#findSize())
      if (sizeBytes !== undefined) return await this.#stream(this.#intake, sizeBytes)
      return await this.#spool()
    } finally {
      this.#ahead?.release()
      this.#aheadLeave?.release()
    }
  }

  /** Reads ahead: the file may end soon; if it does not, it may be known where it must. */
  async #findSize(): Promise<number | undefined> {
    const { expectedBytes } = this.#file
    const bytes = Math.min(READ_AHEAD_BYTES, (expectedBytes ?? READ_AHEAD_BYTES) + CLOSING_SLACK_BYTES)
    this.#aheadLeave = await this.#lease(bytes, this.#parts.aheadBudget)
    const lease = await this.#lease(bytes)
    this.#ahead = lease
    const list = await this.#intake.take(bytes)
    this.#intake.putBack(list)
    if (list.bytes < bytes) {
      this.#ahead = lease.split(list.bytes)
      lease.release()
      this.#aheadLeave.release()
      return list.bytes
    }
    if (expectedBytes !== undefined && expectedBytes > this.#limitBytes) {
      throw new GatewayError({
        code: 'too_large',
        what: 'The file, by the length of the request,',
        limitBytes: this.#limitBytes,
      })
    }
    return expectedBytes
  }

  async #spool(): Promise<StoredUpload> {
    const spooled = await this.#parts.spool.write(this.#intake)
    try {
      this.#ahead?.release()
      this.#ahead = undefined
      this.#aheadLeave?.release()
      const intake = new FileIntake(spooled.source, {
        limitBytes: this.#limitBytes,
        hash: false,
        signal: this.#abort.signal,
      })
      return await this.#stream(intake, spooled.bytes)
    } finally {
      await spooled.close()
    }
  }

  async #stream(intake: FileIntake, sizeBytes: number): Promise<StoredUpload> {
    const { api } = this.#parts
    const { name } = this.#file
    const extension = extensionOf(name)
    const baseName = name.slice(0, name.length - extension.length)
    const context = toCallContext(this.#context)
    const plan = await unlessAborted(
      api.init(context, { sizeBytes, extension, baseName }),
      this.#abort.signal,
    )
    await this.#sendParts(intake, plan)
    return { plan, sha256: this.#intake.digest() }
  }

  async #sendParts(intake: FileIntake, plan: UploadPlan): Promise<void> {
    let sentBytes = 0
    const sender = new PartSender({
      ...this.#parts,
      abort: this.#abort,
      onStored: (bytes) => {
        sentBytes += bytes
        this.#file.onProgress?.(sentBytes, plan.sizeBytes)
      },
    })
    try {
      for (const [index, url] of plan.partUrls.entries()) {
        await sender.place()
        await this.#sendPart(intake, sender, url, partBytes(plan, index + 1))
      }
      if ((await intake.next()) !== undefined) throw this.#wrongSize(plan.sizeBytes)
      await sender.finish()
    } catch (error) {
      // When one part fails the others are aborted, and so is waiting for the caller: the part is the reason.
      throw error instanceof UploadAborted && sender.error !== undefined ? sender.error : error
    }
  }

  async #sendPart(intake: FileIntake, sender: PartSender, url: URL, bytes: number): Promise<void> {
    const leases = [this.#ahead?.split(bytes)].filter((lease) => lease !== undefined)
    const release = () => {
      for (const lease of leases) lease.release()
    }
    try {
      leases.push(await this.#lease(bytes - (leases[0]?.bytes ?? 0)))
      if (this.#ahead?.bytes === 0) this.#aheadLeave?.release()
      const { chunks, bytes: taken } = await intake.take(bytes)
      if (taken < bytes) throw this.#wrongSize(undefined)
      sender.send({ url, chunks, bytes }, release)
    } catch (error) {
      release()
      throw error
    }
  }

  async #lease(bytes: number, budget = this.#parts.budget): Promise<Lease> {
    const { signal } = this.#abort
    try {
      return await budget.take(bytes, signal)
    } catch (error) {
      throw signal.aborted ? new UploadAborted() : error
    }
  }

  /** Too many bytes for `announcedBytes`, or too few. */
  #wrongSize(announcedBytes: number | undefined): GatewayError {
    const detail =
      this.#file.declaredBytes !== undefined
        ? 'The file has not the size that was declared.'
        : announcedBytes === undefined
          ? 'More follows the file. Send the file last, or its size before it.'
          : 'The end of the form is not where it was expected. Send the size of the file before it.'
    return new GatewayError({ code: 'invalid_request', detail })
  }
}

/** Asking again is safe. */
async function finalise(
  { api, random }: UploadsParts,
  context: RequestContext,
  name: string,
  { uploadID, sizeBytes }: UploadPlan,
  sha256: string | undefined,
): Promise<UploadedFile> {
  for (let tries = 1; ; tries++) {
    try {
      const stored = await api.url(toCallContext(context), uploadID, sizeBytes)
      return { name, size: sizeBytes, ...stored, sha256 }
    } catch (error) {
      if (context.signal.aborted) throw callerLeft()
      const failure = error instanceof GatewayError ? error.failure : undefined
      if (failure === undefined || !WORTH_ASKING_AGAIN.has(failure.code) || tries === FINALISE_TRIES)
        throw error
      const askedMs = 'retryAfterSeconds' in failure ? failure.retryAfterSeconds * 1000 : undefined
      await pause(retryPauseMs(tries, askedMs, random()), context.signal).catch(() => {
        throw callerLeft()
      })
    }
  }
}

function callerLeft(): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail: 'The body ended early.' })
}
