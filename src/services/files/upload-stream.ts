import type { PartUploader } from '../../cloud/part-uploader.ts'
import type { UploadApi } from '../../cloud/upload-api.ts'
import { extensionOf } from '../../domain/file-names.ts'
import { partBytes, type UploadPlan } from '../../domain/upload-plan.ts'
import { GatewayError } from '../../errors.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { UploadAborted, unlessAborted } from './abort.ts'
import { type ByteSource, FileIntake } from './file-intake.ts'
import type { Lease, MemoryBudget } from './memory-budget.ts'
import { PartBuffer, type SlabPool } from './part-buffer.ts'
import { PartSender } from './part-sender.ts'
import type { Spool } from './spool.ts'

/** As much of a file is read before its size has to be known. */
const READ_AHEAD_BYTES = 8 * 2 ** 20

/** A form's closing line may be shorter by its line end than expected; one byte more, so that the end is seen. */
const CLOSING_SLACK_BYTES = 3

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

/** What it takes to bring a file to the store. */
export type UploadStreamDeps = {
  api: Pick<UploadApi, 'init'>
  store: PartUploader
  budget: MemoryBudget
  /**
   * Part of `budget`: how much of it may be read ahead. Who has read ahead asks for more while it holds that,
   * so all of it taken like this would leave everyone waiting for everyone.
   */
  aheadBudget: MemoryBudget
  slabs: SlabPool
  spool: Spool
  random: () => number
}

/** A file of which every byte is in the store; `sha256` only if it was asked for. */
export type StoredUpload = { plan: UploadPlan; sha256: string | undefined }

/** One file on its way to the store; `abort` ends it, and is aborted when a part of it fails. */
export class UploadStream {
  readonly #parts: UploadStreamDeps
  readonly #context: RequestContext
  readonly #file: IncomingFile
  readonly #limitBytes: number
  readonly #abort: AbortController
  readonly #intake: FileIntake
  /** Memory for what was read ahead and is not yet part of a part. */
  #ahead: Lease | undefined
  /** Leave to hold it, until no more has to be asked for beside it. */
  #readAheadPermit: Lease | undefined
  #aheadBuffer: PartBuffer | undefined

  constructor(
    parts: UploadStreamDeps,
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

  /** To be called once. Throws `GatewayError`, or `UploadAborted` when somebody else aborted it. */
  async run(): Promise<StoredUpload> {
    try {
      const sizeBytes = this.#file.declaredBytes ?? (await this.#findSize())
      if (sizeBytes !== undefined) return await this.#stream(this.#intake, sizeBytes)
      return await this.#spool()
    } finally {
      this.#ahead?.release()
      this.#readAheadPermit?.release()
    }
  }

  /** Reads ahead: the file may end soon; if it does not, it may be known where it must. */
  async #findSize(): Promise<number | undefined> {
    const { expectedBytes } = this.#file
    const bytes = Math.min(READ_AHEAD_BYTES, (expectedBytes ?? READ_AHEAD_BYTES) + CLOSING_SLACK_BYTES)
    this.#readAheadPermit = await this.#lease(bytes, this.#parts.aheadBudget)
    const lease = await this.#lease(bytes)
    this.#ahead = lease
    const { bytes: aheadBytes, chunks } = await this.#intake.collect(this.#newAheadBuffer(bytes), bytes)
    this.#intake.putBack(chunks)
    if (aheadBytes < bytes) {
      this.#ahead = lease.split(aheadBytes)
      lease.release()
      this.#readAheadPermit.release()
      return aheadBytes
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

  #newAheadBuffer(bytes: number): PartBuffer {
    this.#aheadBuffer = new PartBuffer(this.#parts.slabs, bytes)
    return this.#aheadBuffer
  }

  /** Once what was read ahead has been copied on, its memory is free. */
  #leaveAhead(): void {
    if (!this.#intake.isCaughtUp) return
    this.#aheadBuffer?.recycle()
    this.#aheadBuffer = undefined
  }

  async #spool(): Promise<StoredUpload> {
    const spooled = await this.#parts.spool.write(this.#intake)
    try {
      this.#leaveAhead()
      this.#ahead?.release()
      this.#ahead = undefined
      this.#readAheadPermit?.release()
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
      if (this.#ahead?.bytes === 0) this.#readAheadPermit?.release()
      const buffer = await intake.collect(new PartBuffer(this.#parts.slabs, bytes), bytes)
      if (buffer.bytes < bytes) throw this.#wrongSize(undefined)
      this.#leaveAhead()
      sender.send({ url, chunks: buffer.chunks, bytes }, (wasSent) => {
        release()
        if (wasSent) buffer.recycle()
      })
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
