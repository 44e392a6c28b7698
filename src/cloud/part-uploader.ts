import type { Deadlines } from '../domain/deadlines.ts'
import { parseRetryAfterMs, toRetryAfterSeconds } from '../domain/retry.ts'
import type { Failure } from '../errors.ts'
import { type HttpAnswer, type HttpClient, TransportError } from './http-client.ts'

/** Longest answer that is taken from the store; its content is not used. */
const MAX_ANSWER_BYTES = 256 * 1024

/** The rate below which a store counts as stalled: a part may take as long as at this rate, and `partMs` more. */
const SLOWEST_BYTES_PER_MS = 256

/** Statuses after which the same part may be sent again. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** The outcome of one try to store a part. */
export type PartOutcome =
  /** `wasSent`: every byte was handed to the connection, which still holds at most the last chunk. */
  | { kind: 'stored'; wasSent: boolean }
  | { kind: 'failed'; failure: Failure; mayRetry: boolean; retryAfterMs: number | undefined }

/** A part: its bytes as they came, in order; `bytes` is their sum. */
export type Part = { url: URL; chunks: readonly Buffer[]; bytes: number }

/** The store behind the presigned URLs. */
export type PartUploader = {
  /** Sends a part once, with neither credential nor cookie. Never rejects. */
  put(part: Part, signal: AbortSignal): Promise<PartOutcome>
}

export type PartUploaderOptions = { now: () => number; deadlines: Pick<Deadlines, 'partMs'> }

export function createPartUploader(
  client: HttpClient,
  { now, deadlines }: PartUploaderOptions,
): PartUploader {
  return {
    put: async ({ url, chunks, bytes }, signal) => {
      let wasSent = false
      const body = (function* () {
        yield* chunks
        wasSent = true
      })()
      try {
        const answer = await client.call({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: 'PUT',
          headers: partHeaders(bytes),
          body: bytes === 0 ? null : body,
          deadlineMs: deadlines.partMs + Math.ceil(bytes / SLOWEST_BYTES_PER_MS),
          maxAnswerBytes: MAX_ANSWER_BYTES,
          signal,
        })
        const isStored = answer.status >= 200 && answer.status <= 299
        return isStored ? { kind: 'stored', wasSent } : toFailedOutcome(answer, now())
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        return toTransportOutcome(error)
      }
    },
  }
}

/** All headers of a part, each with its reason; its URL is its only credential. */
function partHeaders(bytes: number): string[] {
  return [
    // The store keeps bytes; what they are is in the name of the file.
    ...['content-type', 'application/octet-stream'],
    // A presigned URL takes no chunked body.
    ...['content-length', String(bytes)],
    // An answer that is compressed could grow beyond its limit while it is unpacked.
    ...['accept-encoding', 'identity'],
  ]
}

function toFailedOutcome({ status, headers }: HttpAnswer, nowMs: number): PartOutcome {
  const retryAfterMs = parseRetryAfterMs(headers['retry-after'], nowMs)
  const mayRetry = RETRYABLE.has(status)
  if (status === 503 || status === 429) {
    const retryAfterSeconds = toRetryAfterSeconds(retryAfterMs)
    const failure: Failure = { code: 'upstream_unavailable', retryAfterSeconds }
    return { kind: 'failed', failure, mayRetry, retryAfterMs }
  }
  if (status >= 400 && status <= 599) {
    // The whole upload may be repeated, whether or not this part may be.
    return { kind: 'failed', failure: { code: 'upstream_error', retryable: true }, mayRetry, retryAfterMs }
  }
  const detail = 'The file store answered with an unexpected status.'
  return { kind: 'failed', failure: { code: 'upstream_invalid_response', detail }, mayRetry, retryAfterMs }
}

function toTransportOutcome(error: TransportError): PartOutcome {
  const failed = (failure: Failure, mayRetry: boolean): PartOutcome => ({
    kind: 'failed',
    failure,
    mayRetry,
    retryAfterMs: undefined,
  })
  if (isForbiddenAddress(error.cause)) {
    const detail = 'Upstream named an upload address that is not allowed.'
    return failed({ code: 'upstream_invalid_response', detail }, false)
  }
  switch (error.kind) {
    case 'unreachable':
    case 'reset':
      return failed({ code: 'upstream_unreachable' }, true)
    case 'timeout':
      return failed({ code: 'upstream_timeout' }, true)
    case 'aborted':
    case 'late':
      return failed({ code: 'upstream_timeout' }, false)
    case 'too-large':
    case 'encoded':
    case 'malformed': {
      const detail = "The answer of the file store can't be read."
      return failed({ code: 'upstream_invalid_response', detail }, true)
    }
  }
}

function isForbiddenAddress(cause: unknown): boolean {
  return cause instanceof Error && (cause as { code?: unknown }).code === 'FORBIDDEN_ADDRESS'
}
