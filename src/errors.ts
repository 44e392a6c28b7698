import type { Issue } from './domain/issue.ts'
import type { Log } from './domain/log.ts'
import type { FailedTask } from './domain/task.ts'
import type { Trace } from './domain/trace.ts'

/**
 * Every expected failure: a closed union that only `describeFailure` turns into an answer. `detail` reaches
 * the caller, so we write it ourselves, without hosts, addresses, files or secrets; only `task_failed`,
 * `insufficient_quota` and `upstream_rejected` carry upstream's own text. `retryAfterSeconds` is a whole
 * number from 1.
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
  | { code: 'overloaded'; detail: string }
  | { code: 'draining' }
  | { code: 'store_unavailable' }

export type FailureCode = Failure['code']

/**
 * Our only exception class: a failure on its way to the caller. `taskID` is set once the task is known to
 * exist, so that every answer after a create names it.
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

/** A failure as callers see it, the same over HTTP and MCP. */
type FailureAnswer = {
  status: number
  title: string
  detail: string
  /** Whether the caller can repeat the same request without paying twice. */
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

/** When to retry after failures that carry no time of their own. */
const RETRY_AFTER_SECONDS = { draining: 1, overloaded: 5, store_unavailable: 5 } as const

/** What is thrown as a failure: a `GatewayError` has one, anything else is a fault of ours. */
export function toFailure(error: unknown): Failure {
  return error instanceof GatewayError ? error.failure : { code: 'internal' }
}

/** The task that an error is about: the one it names, or the one that the request is known to be about. */
export function taskIDOfError(error: unknown, { taskID }: Trace): string | undefined {
  return (error instanceof GatewayError ? error.taskID : undefined) ?? taskID
}

/** Notes what a request failed with in its trace; an error of ours goes into the log as a whole. */
export function noteFailure(failure: Failure, error: unknown, trace: Trace, log: Pick<Log, 'error'>): void {
  trace.failure = failure.code
  if (failure.code === 'internal') log.error({ err: error }, 'unforeseen error')
}

/** A task that failed, as a failure: `insufficient_quota` when its message is about quota. */
export function toTaskFailure({ message, quota }: FailedTask): Failure {
  return { code: quota ? 'insufficient_quota' : 'task_failed', detail: message }
}

/** Whether a failure is how a task ended, given that it is about a task at all. */
export function isTaskFailure({ code }: Failure): boolean {
  return code === 'task_failed' || code === 'insufficient_quota'
}

/** The only mapping from failures to answers. */
export function describeFailure(failure: Failure): FailureAnswer {
  const [status, title, retryable] = STATUS_BY_CODE[failure.code]
  const answer: FailureAnswer = { status, title, detail: detailOf(failure), retryable }
  if ('retryAfterSeconds' in failure) answer.retryAfterSeconds = failure.retryAfterSeconds
  if (failure.code === 'draining' || failure.code === 'overloaded' || failure.code === 'store_unavailable') {
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
      return `Use a token that has the scope ${failure.scope}.`
    case 'not_found':
      return `There is no such ${failure.what}.`
    case 'method_not_allowed':
      return `Use one of the methods of this route: ${failure.allow.join(', ')}.`
    case 'too_large':
      return `${failure.what} is larger than the limit of ${failure.limitBytes} bytes.`
    case 'unsupported_media_type':
      return `This route accepts ${failure.expected}.`
    case 'idempotency_key_reused':
      return 'This Idempotency-Key belongs to a different request. Use a new key.'
    case 'create_outcome_unknown':
      return 'The task may or may not have been created. Check the task list before you create it again.'
    case 'upstream_rate_limited':
      return 'Upstream asks for fewer requests. Retry after the time in Retry-After.'
    case 'internal':
      return 'Something went wrong in the gateway.'
    case 'upstream_unreachable':
      return 'Upstream could not be reached.'
    case 'upstream_error':
      return 'Upstream answered with an error.'
    case 'upstream_auth_failed':
      return "Upstream rejected the gateway's own credential. Ask the operator of the gateway to fix it."
    case 'upstream_timeout':
      return 'Upstream took too long to answer.'
    case 'upstream_unavailable':
      return 'Upstream is not available right now. Retry after the time in Retry-After.'
    case 'draining':
      return 'This gateway is shutting down. Send the request again.'
    case 'store_unavailable':
      return "The request can't be persisted right now."
  }
}
