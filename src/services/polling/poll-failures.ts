import { type Failure, GatewayError } from '../../errors.ts'

/** What a rejected look went wrong with. */
export function toPollFailure(error: unknown): Failure {
  return error instanceof GatewayError ? error.failure : { code: 'internal' }
}

/** Whether a failure says that upstream suffers, rather than something of the one thing asked for. */
export function tellsOfUpstream(failure: Failure): boolean {
  switch (failure.code) {
    case 'upstream_unreachable':
    case 'upstream_timeout':
    case 'upstream_unavailable':
    case 'upstream_rate_limited':
      return true
    case 'upstream_error':
      return failure.retryable
    // A result that can't be read (too large, say) is the trouble of one task.
    default:
      return false
  }
}

/** Whether a failed look ends the watching; all else is ridden out. */
export function isFinal(failure: Failure, isMissing: boolean): boolean {
  switch (failure.code) {
    case 'unauthenticated':
    case 'upstream_auth_failed':
    case 'insufficient_quota':
    case 'upstream_rejected':
    case 'internal':
      return true
    case 'not_found':
      return isMissing
    default:
      return false
  }
}
