import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

/** Wrong tokens per minute and address (IPv6: per /64 network). */
const MAX_WRONG_TOKENS = 20
const WINDOW_MS = 60_000
/** Most addresses with counts; the least recently seen ones are dropped. */
const MAX_ADDRESSES = 10_000

/** Counts a wrong token against its address. Throws `rate_limited` after too many. */
export type CountFailedAuth = (request: FastifyRequest) => Promise<void>

/**
 * Limits the guessing of tokens. Only requests with wrong tokens are counted and refused, so callers that share
 * an address with an attacker keep working. The limits of callers do not use this library: it needs a Fastify
 * request, writes the header fields of an older draft, and can't count creates. `monotonicNow`: milliseconds, by
 * a clock that is never set.
 */
export function limitFailedAuth(app: FastifyInstance, monotonicNow: () => number): CountFailedAuth {
  app.register(rateLimit, {
    global: false,
    max: MAX_WRONG_TOKENS,
    timeWindow: WINDOW_MS,
    store: createWindowStore(monotonicNow),
  })
  let count: ReturnType<FastifyInstance['createRateLimit']> | undefined
  return async (request) => {
    count ??= app.createRateLimit()
    const counted = await count(request)
    if (counted.isAllowed || !counted.isExceeded) return
    const detail =
      'Too many wrong tokens came from this address. Check the token, and retry after the time in Retry-After.'
    throw new GatewayError({ code: 'rate_limited', detail, retryAfterSeconds: counted.ttlInSeconds })
  }
}

/**
 * The library's own store measures its windows by the wall clock: one that is set back by an hour keeps an
 * address out for an hour.
 */
function createWindowStore(monotonicNow: () => number): FastifyRateLimitStoreCtor {
  // A Map keeps the order of insertion, so the first entry is the one that was seen least recently.
  const windows = new Map<string, { count: number; endMs: number }>()
  return class WindowStore implements FastifyRateLimitStore {
    incr(
      address: string,
      callback: (error: null, result: { current: number; ttl: number }) => void,
      windowMs: number,
    ): void {
      const nowMs = monotonicNow()
      const known = windows.get(address)
      const window =
        known !== undefined && nowMs < known.endMs ? known : { count: 0, endMs: nowMs + windowMs }
      window.count += 1
      windows.delete(address)
      windows.set(address, window)
      for (const oldest of windows.keys()) {
        if (windows.size <= MAX_ADDRESSES) break
        windows.delete(oldest)
      }
      callback(null, { current: window.count, ttl: window.endMs - nowMs })
    }

    child(): FastifyRateLimitStore {
      return this
    }
  }
}
