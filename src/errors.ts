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
  | { code: 'too_large'; detail: string }
  | { code: 'unsupported_media_type'; expected: string }
  | { code: 'task_failed'; detail: string }
  | { code: 'idempotency_key_reused' }
  | { code: 'create_outcome_unknown'; repeated: boolean }
  | { code: 'rate_limited'; detail: string; retryAfterSeconds: number }
  | { code: 'too_many_runs'; detail: string; retryAfterSeconds: number }
  | { code: 'upstream_rate_limited'; retryAfterSeconds: number }
  | { code: 'internal' }
  | { code: 'upstream_unreachable' }
  | { code: 'upstream_error'; retryable: boolean }
  | { code: 'upstream_invalid_response'; detail: string }
  | { code: 'upstream_auth_failed' }
  | { code: 'upstream_timeout' }
  | { code: 'upstream_unavailable'; retryAfterSeconds: number }
  | { code: 'upstream_rejected'; status: 400 | 403 | 404 | 409 | 422; detail: string }
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

const STATUS_BY_CODE: {
  readonly [Code in FailureCode]: readonly [status: number, title: string, retryable: boolean]
} = {
  invalid_request: [400, 'Invalid request', false],
  unauthenticated: [401, 'Unauthenticated', false],
  insufficient_quota: [402, 'Insufficient quota', false],
  insufficient_scope: [403, 'Insufficient scope', false],
  package_denied: [403, 'Package denied', false],
  function_denied: [403, 'Function denied', false],
  origin_denied: [403, 'Origin denied', false],
  not_found: [404, 'Not found', false],
  method_not_allowed: [405, 'Method not allowed', false],
  request_timeout: [408, 'Request timeout', true],
  create_outcome_unknown: [502, 'Create outcome unknown', false],
  too_large: [413, 'Too large', false],
  unsupported_media_type: [415, 'Unsupported media type', false],
  task_failed: [422, 'Task failed', false],
  idempotency_key_reused: [422, 'Idempotency key reused', false],
  rate_limited: [429, 'Rate limited', true],
  too_many_runs: [429, 'Too many runs', true],
  upstream_rate_limited: [429, 'Rate limited by upstream', true],
  internal: [500, 'Internal error', false],
  upstream_unreachable: [502, 'Upstream unreachable', true],
  upstream_error: [502, 'Upstream error', true],
  upstream_invalid_response: [502, 'Invalid response from upstream', false],
  upstream_auth_failed: [502, 'Upstream refused the gateway', false],
  overloaded: [503, 'Overloaded', true],
  draining: [503, 'Draining', true],
  upstream_unavailable: [503, 'Upstream unavailable', true],
  store_unavailable: [503, 'Store unavailable', true],
  upstream_timeout: [504, 'Upstream timeout', true],
  upstream_rejected: [400, 'Rejected by upstream', false],
}

/** Seconds after which the failures that name no time of their own are worth another try. */
const RETRY_AFTER_SECONDS = { draining: 1, store_unavailable: 5 } as const

/** The one mapping from failures to answers. */
export function describeFailure(failure: Failure): FailureAnswer {
  const [status, title, retryable] = STATUS_BY_CODE[failure.code]
  const answer: FailureAnswer = { status, title, detail: detailOf(failure), retryable }
  if ('retryAfterSeconds' in failure) answer.retryAfterSeconds = failure.retryAfterSeconds
  if (failure.code === 'draining' || failure.code === 'store_unavailable') {
    answer.retryAfterSeconds = RETRY_AFTER_SECONDS[failure.code]
  }
  if (failure.code === 'create_outcome_unknown' && failure.repeated) answer.status = 409
  if (failure.code === 'upstream_error') answer.retryable = failure.retryable
  if (failure.code === 'upstream_rejected') answer.status = failure.status
  if (failure.code === 'method_not_allowed') answer.allow = failure.allow
  if (failure.code === 'invalid_request') answer.errors = failure.errors ?? []
  return answer
}

/** Exhaustive: a new failure without a text does not compile. */
function detailOf(failure: Failure): string {
  if ('detail' in failure) return failure.detail
  switch (failure.code) {
    case 'insufficient_scope':
      return `This needs the scope ${failure.scope}.`
    case 'not_found':
      return `There is no such ${failure.what}.`
    case 'method_not_allowed':
      return `This route takes ${failure.allow.join(', ')}.`
    case 'too_large':
      return `${failure.what} is larger than the ${failure.limitBytes} bytes allowed.`
    case 'unsupported_media_type':
      return `This route takes ${failure.expected}.`
    case 'idempotency_key_reused':
      return 'This Idempotency-Key was used for another request.'
    case 'create_outcome_unknown':
      return 'Whether the task was created could not be found out. Look at the task list before sending it anew.'
    case 'upstream_rate_limited':
      return 'Upstream asks for fewer requests.'
    case 'internal':
      return 'Something went wrong in the gateway.'
    case 'upstream_unreachable':
      return 'Upstream could not be reached.'
    case 'upstream_error':
      return 'Upstream answered with an error.'
    case 'upstream_auth_failed':
      return "Upstream did not accept the gateway's own credential: its operator has to mend that."
    case 'upstream_timeout':
      return 'Upstream took too long to answer.'
    case 'upstream_unavailable':
      return 'Upstream is not available at the moment.'
    case 'draining':
      return 'This gateway is shutting down.'
    case 'store_unavailable':
      return 'What must not be lost cannot be written down at the moment.'
  }
}
