import type { Failure } from '../../errors.ts'

/** Whether a failure is about upstream as a whole, not only about the task or page that was asked for. */
export function isOutage(failure: Failure): boolean {
  switch (failure.code) {
    case 'upstream_unreachable':
    case 'upstream_timeout':
    case 'upstream_unavailable':
    case 'upstream_rate_limited':
      return true
    case 'upstream_error':
      return failure.retryable
    // A result that can't be read (too large, say) is the failure of one task.
    default:
      return false
  }
}

/** Whether a failed poll ends the polling of its task; all else is repeated. */
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
