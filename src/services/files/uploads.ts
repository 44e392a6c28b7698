import type { UploadApi } from '../../cloud/upload-api.ts'
import { retryPauseMs } from '../../domain/retry.ts'
import type { UploadPlan } from '../../domain/upload-plan.ts'
import { type FailureCode, GatewayError } from '../../errors.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import { pause, UploadAborted } from './abort.ts'
import { tooLarge } from './file-intake.ts'
import { SlabPool } from './part-buffer.ts'
import { type IncomingFile, UploadStream, type UploadStreamDeps } from './upload-stream.ts'

/** How often the last step of an upload is tried. */
const FINALISE_TRIES = 3

/** Failures of the last step after which it is tried again. */
const RETRYABLE: ReadonlySet<FailureCode> = new Set([
  'upstream_unreachable',
  'upstream_error',
  'upstream_unavailable',
])

/** A file that has reached upstream; `sha256` (hexadecimal) only if it was asked for. */
export type UploadedFile = {
  name: string
  url: string
  size: number
  mimeType: string
  expiresAt: string | null
  sha256?: string | undefined
}

/** A file of which every byte has reached the store, and which has no URL yet. */
export type SentFile = {
  /** Hexadecimal; undefined unless it was asked for. */
  readonly sha256: string | undefined
  /** Gives the file its URL. Throws `GatewayError`. */
  finalise(): Promise<UploadedFile>
}

export type Uploads = {
  /** Throws `draining` when nothing new may begin; to be called once a request, before its body is read. */
  refuseWhileDraining(): void
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

export type UploadsDeps = Omit<UploadStreamDeps, 'slabs' | 'api'> & {
  api: UploadApi
  owners: Owners
  drain: Drain
  maxUploadBytes: number
}

export function createUploads(deps: UploadsDeps): Uploads {
  const { api, budget, drain, owners, maxUploadBytes } = deps
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
    refuseWhileDraining: () => {
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
        const { plan, sha256 } = await new UploadStream(streamDeps, context, file, limit, abort).run()
        return { sha256, finalise: () => finalise(deps, context, file.name, plan, sha256) }
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

/** Gives an upload its URL; safe to repeat. */
async function finalise(
  { api, random }: Pick<UploadsDeps, 'api' | 'random'>,
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
      if (failure === undefined || !RETRYABLE.has(failure.code) || tries === FINALISE_TRIES) throw error
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
