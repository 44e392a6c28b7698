import type { UploadApi } from '../../cloud/upload-api.ts'
import { SharedLimit } from '../../domain/shared-limit.ts'
import { GatewayError } from '../../errors.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { Pressure } from '../pressure.ts'
import { releaseOnce } from '../release-once.ts'
import { UploadAborted } from './abort.ts'
import { bodyCut, tooLarge } from './file-intake.ts'
import { finalise, type UploadedFile } from './finalise.ts'
import { SlabPool } from './part-buffer.ts'
import { type IncomingFile, UploadStream, type UploadStreamDeps } from './upload-stream.ts'

/** Requests that upload at the same time, in this process and of one caller. Each may hold more than its parts. */
const MAX_UPLOADS = 256
const MAX_UPLOADS_OF_A_CALLER = 128

/** `Retry-After` of a caller that has too many uploads under way. */
const TOO_MANY_UPLOADS_RETRY_SECONDS = 5

/** A file of which every byte has reached the store, and which has no URL yet. */
export type SentFile = {
  /** Hexadecimal; undefined unless it was asked for. */
  readonly sha256: string | undefined
  /** Gives the file its URL. Throws `GatewayError`. */
  finalise(): Promise<UploadedFile>
}

export type Uploads = {
  /**
   * Takes a place for a request that uploads, before its body is read; gives what gives it back. Throws `draining`
   * or `overloaded` when nothing new may begin, `rate_limited` when the caller has too many, `overloaded` when all
   * together have.
   */
  acquirePlace(context: RequestContext): () => void
  /** Throws `draining` or `overloaded` when nothing new may begin; for requests that have no file in their body. */
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
    slabs: new SlabPool(),
    spool: deps.spool,
    random: deps.random,
  }
  const places = new SharedLimit(MAX_UPLOADS, MAX_UPLOADS_OF_A_CALLER)
  const refuseNew = () => {
    if (drain.draining) throw new GatewayError({ code: 'draining' })
    pressure.refuseNew()
  }
  const limitBytes = ({ caller }: RequestContext) =>
    Math.min(caller.rules.limits.uploadBytes ?? Number.POSITIVE_INFINITY, maxUploadBytes)
  return {
    get heldBytes() {
      return budget.held
    },
    acquirePlace: ({ caller }) => {
      refuseNew()
      const refusal = places.refusal(caller.id, 1)
      if (refusal !== undefined) throw noPlace(refusal)
      places.take(caller.id, 1)
      return releaseOnce(() => places.give(caller.id, 1))
    },
    refuseNew,
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

function noPlace(refusal: 'caller' | 'all'): GatewayError {
  if (refusal === 'all') {
    const detail = 'Too many uploads are under way in this gateway. Retry after the time in Retry-After.'
    return new GatewayError({ code: 'overloaded', detail })
  }
  return new GatewayError({
    code: 'rate_limited',
    detail: `This caller has ${MAX_UPLOADS_OF_A_CALLER} uploads under way, and no more are allowed. Retry when one has ended.`,
    retryAfterSeconds: TOO_MANY_UPLOADS_RETRY_SECONDS,
  })
}
