import type { UploadApi } from '../../cloud/upload-api.ts'
import { retryPauseMs } from '../../domain/retry.ts'
import type { UploadPlan } from '../../domain/upload-plan.ts'
import { type FailureCode, GatewayError } from '../../errors.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { pause } from './abort.ts'
import { bodyCut } from './file-intake.ts'

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

/** `random` is from 0 to 1, for the jitter of pauses. */
type FinaliseDeps = { api: Pick<UploadApi, 'url'>; random: () => number }

/** Gives an upload its URL; safe to repeat. `sha256` is passed on. Throws `GatewayError`. */
export async function finalise(
  { api, random }: FinaliseDeps,
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
      if (context.signal.aborted) throw bodyCut()
      const failure = error instanceof GatewayError ? error.failure : undefined
      if (failure === undefined || !RETRYABLE.has(failure.code) || tries === FINALISE_TRIES) throw error
      const askedMs = 'retryAfterSeconds' in failure ? failure.retryAfterSeconds * 1000 : undefined
      await pause(retryPauseMs(tries, askedMs, random()), context.signal).catch(() => {
        throw bodyCut()
      })
    }
  }
}
