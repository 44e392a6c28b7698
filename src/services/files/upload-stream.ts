import type { PartUploader } from '../../cloud/part-uploader.ts'
import type { UploadApi } from '../../cloud/upload-api.ts'
import { extensionOf } from '../../domain/file-names.ts'
import { partBytes, type UploadPlan } from '../../domain/upload-plan.ts'
import { GatewayError } from '../../errors.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { UploadAborted, unlessAborted } from './abort.ts'
import { type ByteSource, FileIntake } from './file-intake.ts'
import { PartBuffer } from './part-buffer.ts'
import { PartSender } from './part-sender.ts'
import { ReadAhead, type ReadAheadDeps } from './read-ahead.ts'
import type { MemoryHolder } from './reservation.ts'
import type { Spool } from './spool.ts'

/** How much of a file is read before its size has to be known. */
const READ_AHEAD_BYTES = 8 * 2 ** 20

/** The closing line of a form may lack its line end; one byte more, so that the end is seen. */
const CLOSING_SLACK_BYTES = 3

/** A file to be uploaded. */
export type IncomingFile = {
  /** `isFileName`. */
  name: string
  source: ByteSource
  /** The size that the caller declared, in bytes; any other is an error. */
  declaredBytes: number | undefined
  /** The size if nothing follows the file, in bytes. */
  expectedBytes: number | undefined
  /** Whether its SHA-256 is wanted. */
  hash?: boolean
  /** Called after each part that has reached the store. */
  onProgress?: (sentBytes: number, totalBytes: number) => void
}

/** What it takes to bring a file to the store. */
export type UploadStreamDeps = ReadAheadDeps & {
  api: Pick<UploadApi, 'init'>
  partUploader: PartUploader
  spool: Spool
  random: () => number
}

/** A file of which every byte is in the store; `sha256` only if it was asked for. */
type StoredUpload = { plan: UploadPlan; sha256: string | undefined }

/** One file on its way to the store; `abort` ends it, and is aborted when a part of it fails. */
export class UploadStream {
  readonly #deps: UploadStreamDeps
  readonly #context: RequestContext
  readonly #file: IncomingFile
  readonly #limitBytes: number
  readonly #abort: AbortController
  readonly #intake: FileIntake
  readonly #holder: MemoryHolder
  readonly #readAhead: ReadAhead
  #sender: PartSender | undefined

  constructor(
    deps: UploadStreamDeps,
    context: RequestContext,
    file: IncomingFile,
    limitBytes: number,
    abort: AbortController,
  ) {
    this.#deps = deps
    this.#context = context
    this.#file = file
    this.#limitBytes = limitBytes
    this.#abort = abort
    this.#intake = new FileIntake(file.source, { limitBytes, hash: file.hash ?? false, signal: abort.signal })
    this.#holder = {
      callerID: context.caller.id,
      signal: abort.signal,
      hasPartsUnderWay: () => this.#sender?.isUnderWay ?? false,
    }
    this.#readAhead = new ReadAhead(deps, this.#holder)
  }

  /** To be called once. Throws `GatewayError`, or `UploadAborted` when it was aborted from outside. */
  async run(): Promise<StoredUpload> {
    try {
      const sizeBytes = this.#file.declaredBytes ?? (await this.#findSize())
      if (sizeBytes !== undefined) return await this.#stream(this.#intake, sizeBytes)
      return await this.#spool()
    } finally {
      this.#readAhead.release()
    }
  }

  /** Reads ahead: the file may end soon; if it does not, it may be known where it must. */
  async #findSize(): Promise<number | undefined> {
    const { expectedBytes } = this.#file
    const bytes = Math.min(READ_AHEAD_BYTES, (expectedBytes ?? READ_AHEAD_BYTES) + CLOSING_SLACK_BYTES)
    const readBytes = await this.#readAhead.fill(this.#intake, bytes)
    if (readBytes < bytes) return readBytes
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
    const spooled = await this.#deps.spool.write(this.#context.caller.id, {
      next: () => {
        // What was read ahead is on the disk when what follows it is asked for.
        this.#readAhead.recycle(this.#intake)
        return this.#intake.next()
      },
    })
    try {
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
    const { api } = this.#deps
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
      partUploader: this.#deps.partUploader,
      random: this.#deps.random,
      abort: this.#abort,
      onStored: (bytes) => {
        sentBytes += bytes
        this.#file.onProgress?.(sentBytes, plan.sizeBytes)
      },
    })
    this.#sender = sender
    try {
      for (const [index, url] of plan.partUrls.entries()) {
        await sender.acquireSlot()
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
    const { budget, slabs } = this.#deps
    const memory = budget.begin(this.#holder, 'part', bytes)
    try {
      this.#readAhead.passMemory(memory, bytes)
      const buffer = await intake.collect(new PartBuffer(slabs, bytes, memory), bytes)
      if (buffer.bytes < bytes) throw this.#wrongSize(undefined)
      this.#readAhead.recycle(this.#intake)
      sender.send({ url, chunks: buffer.chunks, bytes }, (wasSent) => {
        memory.release()
        if (wasSent) buffer.recycle()
      })
    } catch (error) {
      memory.release()
      throw error
    }
  }

  /** Too many bytes for `announcedBytes`, or too few. */
  #wrongSize(announcedBytes: number | undefined): GatewayError {
    const detail =
      this.#file.declaredBytes !== undefined
        ? 'The file does not have the size that was declared.'
        : announcedBytes === undefined
          ? 'More follows the file. Send the file last, or send its size before it.'
          : 'The end of the form is not where it was expected. Send the size of the file before it.'
    return new GatewayError({ code: 'invalid_request', detail })
  }
}
