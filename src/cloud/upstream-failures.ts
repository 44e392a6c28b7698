import { parseRetryAfterMs, toRetryAfterSeconds } from '../domain/retry.ts'
import type { Failure } from '../errors.ts'
import type { Credential } from './credential.ts'
import type { HttpAnswer, TransportError } from './http-client.ts'

/** The operations of upstream, by the names of `oomol-api.md`. */
export type Operation =
  | 'create'
  | 'list'
  | 'latest'
  | 'detail'
  | 'result'
  | 'logs'
  | 'dashboard'
  | 'pause'
  | 'resume'
  | 'upload-init'
  | 'upload-url'
  | 'package-info'

/** The longest message of upstream that is passed on, in bytes of UTF-8. */
const MAX_MESSAGE_BYTES = 2048

const WHAT: Partial<Record<Operation, 'task' | 'upload'>> = {
  detail: 'task',
  result: 'task',
  logs: 'task',
  'upload-url': 'upload',
}

/** The failure of a call without a complete answer, as its caller gets it. */
export function toTransportFailure(error: TransportError, operation: Operation): Failure {
  if (operation === 'create' && error.sent) return { code: 'create_outcome_unknown', repeated: false }
  switch (error.kind) {
    case 'unreachable':
    case 'reset':
      return { code: 'upstream_unreachable' }
    // The one call that is not sent late is a create, whose intent took too long to be written down.
    case 'late':
      return { code: 'store_unavailable' }
    case 'aborted':
    case 'timeout':
      return { code: 'upstream_timeout' }
    case 'too-large':
      return { code: 'upstream_invalid_response', detail: 'Upstream gave an answer that is too large.' }
    case 'encoded':
      return {
        code: 'upstream_invalid_response',
        detail: 'Upstream gave an encoded answer that was not asked for.',
      }
    case 'malformed':
      return { code: 'upstream_invalid_response', detail: 'Upstream gave an answer that is not HTTP.' }
  }
}

/** The failure of an answer other than 2xx, as its caller gets it. `nowMs` is epoch milliseconds. */
export function toAnswerFailure(
  answer: HttpAnswer,
  operation: Operation,
  credential: Credential,
  nowMs: number,
): Failure {
  const { status } = answer
  if (status >= 400 && status <= 499) return toRejection(answer, operation, credential, nowMs)
  if (operation === 'create' && !isRefusal(answer)) return { code: 'create_outcome_unknown', repeated: false }
  if (status === 503) {
    return { code: 'upstream_unavailable', retryAfterSeconds: retryAfterSeconds(answer, nowMs) }
  }
  if (status >= 500 && status <= 599) return { code: 'upstream_error', retryable: operation !== 'create' }
  return { code: 'upstream_invalid_response', detail: 'Upstream answered with an unexpected status.' }
}

/**
 * Whether an answer of 500 or above proves that nothing was created. The error page of a proxy does not, nor
 * do 502 and 504: there a proxy has lost its connection to the service.
 */
function isRefusal(answer: HttpAnswer): boolean {
  const hasMessage = messageOf(answer) !== undefined
  return answer.status === 500
    ? hasMessage
    : answer.status === 503 && (hasMessage || 'retry-after' in answer.headers)
}

function toRejection(
  answer: HttpAnswer,
  operation: Operation,
  credential: Credential,
  nowMs: number,
): Failure {
  const { status } = answer
  const detail = messageOf(answer) ?? 'Upstream rejected the request.'
  const what = WHAT[operation]
  if (status === 404 && what !== undefined) return { code: 'not_found', what }
  switch (status) {
    case 401:
      if (credential.kind === 'key') return { code: 'upstream_auth_failed' }
      return {
        code: 'unauthenticated',
        detail: 'Send a valid oomol-token cookie: upstream did not accept this one.',
      }
    case 402:
      return { code: 'insufficient_quota', detail }
    case 403:
      if (credential.kind === 'key') return { code: 'upstream_auth_failed' }
      return { code: 'upstream_rejected', status, detail }
    case 400:
    case 404:
    case 409:
    case 422:
      return { code: 'upstream_rejected', status, detail }
    case 429:
      return { code: 'upstream_rate_limited', retryAfterSeconds: retryAfterSeconds(answer, nowMs) }
    default:
      return { code: 'upstream_error', retryable: false }
  }
}

function retryAfterSeconds(answer: HttpAnswer, nowMs: number): number {
  return toRetryAfterSeconds(parseRetryAfterMs(answer.headers['retry-after'], nowMs))
}

/** Upstream's own message as plain text of at most 2 KiB; undefined when the body is not one of its errors. */
function messageOf(answer: HttpAnswer): string | undefined {
  let message: unknown
  try {
    message = (JSON.parse(answer.body.toString('utf8')) as { message?: unknown } | null)?.message
  } catch {
    return undefined
  }
  if (typeof message !== 'string') return undefined
  const plain = message.replace(/\p{Cc}+/gu, ' ').trim()
  // Cut at bytes, then drop the character that the cut may have split.
  const bytes = Buffer.from(plain)
  if (bytes.length <= MAX_MESSAGE_BYTES) return plain
  return bytes.toString('utf8', 0, MAX_MESSAGE_BYTES).replace(/\uFFFD+$/, '')
}
