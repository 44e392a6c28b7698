import { type Quota, RateWindow } from '../../domain/rate-window.ts'
import { GatewayError } from '../../errors.ts'
import type { Caller } from './request-context.ts'

/** Seconds after which a caller whose runs all wait may try again. */
const RETRY_RUN_SECONDS = 1

/** What is left to a caller of one of its limits a minute. */
export type NamedQuota = Quota & { name: 'requests' | 'creates' }

/**
 * The limits of each caller, counted in this process. They are its own: what one caller does takes nothing
 * from another. Counts are kept by the caller's id, so they outlive a reload of the configuration.
 */
export type Limits = {
  /** Counts a request. Throws `rate_limited`. */
  takeRequest(caller: Caller): void
  /** Counts a create; called right before it. Throws `rate_limited`. */
  takeCreate(caller: Caller): void
  /** Throws `rate_limited` when no create is left, and counts none: before what would be in vain without one. */
  requireCreate(caller: Caller): void
  /** Takes one of the places of the caller's waiting runs; returns what gives it back. Throws `too_many_runs`. */
  enterRun(caller: Caller): () => void
  /** What is left, for callers that have a limit; for the header fields of an answer. */
  quotas(caller: Caller): NamedQuota[]
}

/** Bounded by the configuration: only callers that it gives a limit have counts. */
type Counts = { requests: RateWindow; creates: RateWindow; runs: number }

export function createLimits(now: () => number): Limits {
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
    return limit === undefined ? undefined : { name, ...countsOf(caller)[name].quota(limit, now()) }
  }
  const take = (caller: Caller, name: NamedQuota['name']): void => {
    const limit = limitOf(caller, name)
    if (limit === undefined || countsOf(caller)[name].take(limit, now())) return
    throw usedUp(name, countsOf(caller)[name].quota(limit, now()))
  }

  return {
    takeRequest: (caller) => take(caller, 'requests'),
    takeCreate: (caller) => take(caller, 'creates'),
    requireCreate: (caller) => {
      const creates = quota(caller, 'creates')
      if (creates?.remaining === 0) throw usedUp('creates', creates)
    },
    enterRun: (caller) => {
      const limit = caller.rules.limits.concurrentRuns
      return limit === undefined ? () => {} : enterRun(countsOf(caller), limit)
    },
    quotas: (caller) => (['requests', 'creates'] as const).flatMap((name) => quota(caller, name) ?? []),
  }
}

function limitOf({ rules }: Caller, name: NamedQuota['name']): number | undefined {
  return name === 'requests' ? rules.limits.requestsPerMinute : rules.limits.createsPerMinute
}

function usedUp(name: NamedQuota['name'], { limit, resetSeconds }: Quota): GatewayError {
  const detail = `This caller may make ${limit} ${name} a minute.`
  return new GatewayError({ code: 'rate_limited', detail, retryAfterSeconds: resetSeconds })
}

function enterRun(counts: Counts, limit: number): () => void {
  if (counts.runs >= limit) {
    const detail = `This caller may have ${limit} runs waited for at a time.`
    throw new GatewayError({ code: 'too_many_runs', detail, retryAfterSeconds: RETRY_RUN_SECONDS })
  }
  counts.runs += 1
  let left = false
  return () => {
    if (!left) counts.runs -= 1
    left = true
  }
}
