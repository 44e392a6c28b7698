/** The pause after the first failure, in milliseconds; doubled with each one that follows. */
const FIRST_PAUSE_MS = 400

/** The longest pause that the server can ask for, in milliseconds. */
const LONGEST_ASKED_PAUSE_MS = 10_000

/** Upstream's Retry-After is followed up to this, in milliseconds. */
const LONGEST_RETRY_AFTER_MS = 60_000

/** `Retry-After` of failures of upstream that name no time, in seconds. */
const DEFAULT_RETRY_AFTER_SECONDS = 5

/**
 * How long to wait after the `failures`th failure in a row (from 1). `askedMs` is the server's
 * Retry-After; `random` is from 0 to 1, so that requests that failed together are not repeated together.
 * Milliseconds.
 */
export function retryPauseMs(failures: number, askedMs: number | undefined, random: number): number {
  const backoffMs = FIRST_PAUSE_MS * 2 ** (failures - 1) * (0.5 + 0.5 * random)
  return Math.max(backoffMs, Math.min(askedMs ?? 0, LONGEST_ASKED_PAUSE_MS))
}

/**
 * Upstream's Retry-After in milliseconds, clamped to a minute; undefined when there is none or it makes
 * no sense. Seconds or an HTTP date (RFC 9110, section 10.2.3).
 */
export function parseRetryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1000
    : /GMT$/.test(text)
      ? Date.parse(text) - nowMs
      : Number.NaN
  if (Number.isNaN(ms)) return undefined
  return Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS)
}

/** What a caller is told after a failure of upstream: whole seconds from 1. `askedMs`: as `parseRetryAfterMs` gave it. */
export function toRetryAfterSeconds(askedMs: number | undefined): number {
  return askedMs === undefined ? DEFAULT_RETRY_AFTER_SECONDS : Math.max(1, Math.ceil(askedMs / 1000))
}
