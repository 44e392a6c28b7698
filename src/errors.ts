/** One problem in a request: where (a JSON Pointer, a query name, a header name) and what. */
export type Issue = { path: string; message: string }

/**
 * Everything that can go wrong on purpose: a closed union, turned into an answer by `describeFailure`
 * alone. `detail` reaches the caller, so it is written by us and holds no host, address, file or secret;
 * only `task_failed`, `insufficient_quota` and `upstream_rejected` carry upstream's own words.
 * `retryAfterSeconds` is a whole number from 1.
 */
export type Failure =
  | { code: 'invalid_request'; detail: string; errors?: readonly Issue[] }
  | { code: 'unauthenticated'; detail: string }
  | { code: 'insufficient_quota'; detail: string }
  | { code: 'insufficient_scope'; scope: string }
  | { code: 'package_denied' | 'function_denied' | 'origin_denied'; detail: string }
  | { code: 'not_found'; what: 'route' | 'task' | 'function' | 'upload' | 'package' }
  | { code: 'method_not_allowed'; allow: readonly string[] }
  | { code: 'request_timeout'; detail: string }
  | { code: 'too_large'; what: string; limitBytes: number }
  | { code: 'unsupported_media_type'; expected: string }
  | { code: 'task_failed'; detail: string }
  | { code: 'idempotency_key_reused' }
  | { code: 'create_outcome_unknown'; repeated: boolean }
  | { code: 'rate_limited'; detail: string; retryAfterSeconds: number }
  | { code: 'too_many_runs'; detail: string; retryAfterSeconds: number }
  | { code: 'upstream_rate_limited'; retryAfterSeconds: number }
  | { code: 'internal' }
  | { code: 'upstream_unreachable' }
  | { code: 'upstream_error'; upstreamStatus: number }
  | { code: 'upstream_invalid_response'; detail: string }
  | { code: 'upstream_auth_failed' }
  | { code: 'upstream_timeout' }
  | { code: 'upstream_unavailable'; retryAfterSeconds: number }
  | { code: 'upstream_rejected'; status: 400 | 404 | 409 | 422; detail: string }
  | { code: 'overloaded'; detail: string; retryAfterSeconds: number }
  | { code: 'draining' }
  | { code: 'store_unavailable' }

export type FailureCode = Failure['code']

/**
 * The one exception of ours: a failure on its way up. `taskID` is set once the task is known to exist,
 * so that no answer after a create loses it.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly failure: Failure
  taskID: string | undefined

  constructor(failure: Failure, options: { taskID?: string; cause?: unknown } = {}) {
    super(failure.code, options.cause === undefined ? undefined : { cause: options.cause })
    this.failure = failure
    this.taskID = options.taskID
  }
}

/** What a failure looks like from outside, whichever door it leaves by. */
export type FailureAnswer = {
  status: number
  title: string
  detail: string
  /** Whether the same request may be sent again as it is without being paid twice. */
  retryable: boolean
  retryAfterSeconds?: number
  allow?: readonly string[]
  errors?: readonly Issue[]
}

/** The one mapping from failures to answers (design.md, section 6). */
export function describeFailure(failure: Failure): FailureAnswer {
  switch (failure.code) {
    case 'invalid_request':
      return {
        status: 400,
        title: 'Invalid request',
        detail: failure.detail,
        retryable: false,
        errors: failure.errors ?? [],
      }
    case 'unauthenticated':
      return { status: 401, title: 'Unauthenticated', detail: failure.detail, retryable: false }
    case 'insufficient_quota':
      return { status: 402, title: 'Insufficient quota', detail: failure.detail, retryable: false }
    case 'insufficient_scope':
      return {
        status: 403,
        title: 'Insufficient scope',
        detail: `This needs the scope ${failure.scope}.`,
        retryable: false,
      }
    case 'package_denied':
      return { status: 403, title: 'Package denied', detail: failure.detail, retryable: false }
    case 'function_denied':
      return { status: 403, title: 'Function denied', detail: failure.detail, retryable: false }
    case 'origin_denied':
      return { status: 403, title: 'Origin denied', detail: failure.detail, retryable: false }
    case 'not_found':
      return {
        status: 404,
        title: 'Not found',
        detail: `There is no such ${failure.what}.`,
        retryable: false,
      }
    case 'method_not_allowed':
      return {
        status: 405,
        title: 'Method not allowed',
        detail: `This route takes ${failure.allow.join(', ')}.`,
        retryable: false,
        allow: failure.allow,
      }
    case 'request_timeout':
      return { status: 408, title: 'Request timeout', detail: failure.detail, retryable: true }
    case 'too_large':
      return {
        status: 413,
        title: 'Too large',
        detail: `${failure.what} is larger than ${failure.limitBytes} bytes.`,
        retryable: false,
      }
    case 'unsupported_media_type':
      return {
        status: 415,
        title: 'Unsupported media type',
        detail: `This route takes ${failure.expected}.`,
        retryable: false,
      }
    case 'task_failed':
      return { status: 422, title: 'Task failed', detail: failure.detail, retryable: false }
    case 'idempotency_key_reused':
      return {
        status: 422,
        title: 'Idempotency key reused',
        detail: 'This Idempotency-Key was used for another request.',
        retryable: false,
      }
    default:
      return describeServerSide(failure)
  }
}

type ServerSideFailure = Extract<
  Failure,
  {
    code:
      | 'create_outcome_unknown'
      | 'rate_limited'
      | 'too_many_runs'
      | 'internal'
      | 'overloaded'
      | 'draining'
      | 'store_unavailable'
      | `upstream_${string}`
  }
>

/** The rest of the mapping: what is no fault of this request. Fixed texts for whatever comes from sockets. */
function describeServerSide(failure: ServerSideFailure): FailureAnswer {
  switch (failure.code) {
    case 'create_outcome_unknown':
      return {
        status: failure.repeated ? 409 : 502,
        title: 'Create outcome unknown',
        detail:
          'Whether the task was created could not be found out. Look at the task list before sending it anew.',
        retryable: false,
      }
    case 'rate_limited':
      return {
        status: 429,
        title: 'Rate limited',
        detail: failure.detail,
        retryable: true,
        retryAfterSeconds: failure.retryAfterSeconds,
      }
    case 'too_many_runs':
      return {
        status: 429,
        title: 'Too many runs',
        detail: failure.detail,
        retryable: true,
        retryAfterSeconds: failure.retryAfterSeconds,
      }
    case 'upstream_rate_limited':
      return {
        status: 429,
        title: 'Upstream rate limited',
        detail: 'Upstream asks for fewer requests.',
        retryable: true,
        retryAfterSeconds: failure.retryAfterSeconds,
      }
    case 'internal':
      return {
        status: 500,
        title: 'Internal error',
        detail: 'Something went wrong in the gateway.',
        retryable: false,
      }
    case 'upstream_unreachable':
      return {
        status: 502,
        title: 'Upstream unreachable',
        detail: 'Upstream could not be reached.',
        retryable: true,
      }
    case 'upstream_error':
      return {
        status: 502,
        title: 'Upstream error',
        detail: 'Upstream answered with an error.',
        retryable: true,
      }
    case 'upstream_invalid_response':
      return {
        status: 502,
        title: 'Invalid response from upstream',
        detail: failure.detail,
        retryable: false,
      }
    case 'upstream_auth_failed':
      return {
        status: 502,
        title: 'Upstream refused the key',
        detail:
          "Upstream did not accept the gateway's own credential. This is for the gateway's operator to mend.",
        retryable: false,
      }
    case 'upstream_timeout':
      return {
        status: 504,
        title: 'Upstream timeout',
        detail: 'Upstream took too long to answer.',
        retryable: true,
      }
    case 'upstream_unavailable':
      return {
        status: 503,
        title: 'Upstream unavailable',
        detail: 'Upstream is not available at the moment.',
        retryable: true,
        retryAfterSeconds: failure.retryAfterSeconds,
      }
    case 'upstream_rejected':
      return {
        status: failure.status,
        title: 'Rejected by upstream',
        detail: failure.detail,
        retryable: false,
      }
    case 'overloaded':
      return {
        status: 503,
        title: 'Overloaded',
        detail: failure.detail,
        retryable: true,
        retryAfterSeconds: failure.retryAfterSeconds,
      }
    case 'draining':
      return {
        status: 503,
        title: 'Draining',
        detail: 'This gateway is shutting down. Try again: another one will answer.',
        retryable: true,
        retryAfterSeconds: 1,
      }
    case 'store_unavailable':
      return {
        status: 503,
        title: 'Store unavailable',
        detail: 'What must not be lost cannot be written down at the moment.',
        retryable: true,
        retryAfterSeconds: 5,
      }
  }
}
