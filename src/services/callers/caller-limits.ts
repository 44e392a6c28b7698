import { type Quota, RateWindow } from '../../domain/rate-window.ts'
import { GatewayError } from '../../errors.ts'
import { releaseOnce } from '../release-once.ts'
import type { Caller } from './request-context.ts'

/** `Retry-After` of a caller that has too many concurrent runs. */
const TOO_MANY_RUNS_RETRY_SECONDS = 1

/** What remains of one of a caller's limits per minute. */
type NamedQuota = Quota & { name: 'requests' | 'creates' }

/**
 * The limits of each caller, counted in this process; callers share no counts. Counts are kept under the
 * caller's id, so they survive a reload of the configuration.
 */
export type Limits = {
  /** Counts a request. Throws `rate_limited`. */
  takeRequest(caller: Caller): void
  /** Counts a create; called just before it is sent. Throws `rate_limited`. */
  takeCreate(caller: Caller): void
  /** Throws `rate_limited` if no create remains; counts none. For work that is wasted without a create. */
  requireCreate(caller: Caller): void
  /** Acquires one of the caller's concurrent runs; returns its release. Throws `too_many_runs`. */
  acquireRun(caller: Caller): () => void
  /** What remains of each limit that the caller has; for the RateLimit header fields. */
  quotas(caller: Caller): NamedQuota[]
}

/** Bounded by the configuration, because only callers with a limit have counts. */
type Counts = { requests: RateWindow; creates: RateWindow; runs: number }

export function createLimits(monotonicNow: () => number): Limits {
  const countsByCaller = new Map<string, Counts>()
  const countsOf = ({ id }: Caller): Counts => {
    let counts = countsByCaller.get(id)
    if (counts === undefined) {
      counts = { requests: new RateWindow(), creates: new RateWindow(), runs: 0 }
      countsByCaller.set(id, counts)
    }
    return counts
  }
  const quota = (caller: Caller, name: NamedQuota['name']): NamedQuota | undefined => {
    const limit = limitOf(caller, name)
    return limit === undefined ? undefined : { name, ...countsOf(caller)[name].quota(limit, monotonicNow()) }
  }
  const take = (caller: Caller, name: NamedQuota['name']): void => {
    const limit = limitOf(caller, name)
    if (limit === undefined || countsOf(caller)[name].take(limit, monotonicNow())) return
    throw usedUp(name, countsOf(caller)[name].quota(limit, monotonicNow()))
  }

  return {
    takeRequest: (caller) => take(caller, 'requests'),
    takeCreate: (caller) => take(caller, 'creates'),
    requireCreate: (caller) => {
      const creates = quota(caller, 'creates')
      if (creates?.remaining === 0) throw usedUp('creates', creates)
    },
    acquireRun: (caller) => {
      const limit = caller.rules.limits.concurrentRuns
      return limit === undefined ? () => {} : acquireRun(countsOf(caller), limit)
    },
    quotas: (caller) => (['requests', 'creates'] as const).flatMap((name) => quota(caller, name) ?? []),
  }
}

function limitOf({ rules }: Caller, name: NamedQuota['name']): number | undefined {
  return name === 'requests' ? rules.limits.requestsPerMinute : rules.limits.createsPerMinute
}

function usedUp(name: NamedQuota['name'], { limit, resetSeconds }: Quota): GatewayError {
  const detail = `The limit of this caller is ${limit} ${name} per minute. Retry after the time in Retry-After.`
  return new GatewayError({ code: 'rate_limited', detail, retryAfterSeconds: resetSeconds })
}

function acquireRun(counts: Counts, limit: number): () => void {
  if (counts.runs >= limit) {
    const detail = `The limit of this caller is ${limit} concurrent runs. Retry when one of them has ended.`
    throw new GatewayError({ code: 'too_many_runs', detail, retryAfterSeconds: TOO_MANY_RUNS_RETRY_SECONDS })
  }
  counts.runs += 1
  return releaseOnce(() => {
    counts.runs -= 1
  })
}
