import type { UploadApi } from '../../cloud/upload-api.ts'
import { GatewayError } from '../../errors.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { Pressure } from '../pressure.ts'
import { UploadAborted } from './abort.ts'
import { bodyCut, tooLarge } from './file-intake.ts'
import { finalise, type UploadedFile } from './finalise.ts'
import { SlabPool } from './part-buffer.ts'
import { type IncomingFile, UploadStream, type UploadStreamDeps } from './upload-stream.ts'

/** A file of which every byte has reached the store, and which has no URL yet. */
export type SentFile = {
  /** Hexadecimal; undefined unless it was asked for. */
  readonly sha256: string | undefined
  /** Gives the file its URL. Throws `GatewayError`. */
  finalise(): Promise<UploadedFile>
}

export type Uploads = {
  /** Throws `draining` or `overloaded` when nothing new may begin; to be called once a request, before its body is read. */
  refuseNew(): void
  /** The largest single file that this caller may send, in bytes. */
  limitBytes(context: RequestContext): number
  /** Streams a file to the store. Throws `GatewayError`. */
  send(context: RequestContext, file: IncomingFile): Promise<SentFile>
  /** Upstream's own answers, for callers that send the parts themselves. */
  nativeInit(context: RequestContext, body: Buffer, sizeBytes: number): Promise<Buffer>
  nativeUrl(context: RequestContext, uploadID: string): Promise<Buffer>
  /** Bytes of memory held by parts at the moment. */
  readonly heldBytes: number
}

type UploadsDeps = Omit<UploadStreamDeps, 'slabs' | 'api'> & {
  api: UploadApi
  owners: Owners
  drain: Drain
  pressure: Pick<Pressure, 'refuseNew'>
  maxUploadBytes: number
}

export function createUploads(deps: UploadsDeps): Uploads {
  const { api, budget, drain, pressure, owners, maxUploadBytes } = deps
  const streamDeps: UploadStreamDeps = {
    api,
    partUploader: deps.partUploader,
    budget,
    readAheadBudget: deps.readAheadBudget,
    slabs: new SlabPool(),
    spool: deps.spool,
    random: deps.random,
  }
  const limitBytes = ({ caller }: RequestContext) =>
    Math.min(caller.rules.limits.uploadBytes ?? Number.POSITIVE_INFINITY, maxUploadBytes)
  return {
    get heldBytes() {
      return budget.held
    },
    refuseNew: () => {
      if (drain.draining) throw new GatewayError({ code: 'draining' })
      pressure.refuseNew()
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
        const { plan, sha256 } = await new UploadStream(streamDeps, context, file, limit, abort).run()
        return { sha256, finalise: () => finalise(deps, context, file.name, plan, sha256) }
      } catch (error) {
        throw error instanceof UploadAborted ? bodyCut() : error
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
