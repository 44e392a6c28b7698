/** The pause after the first failure, in milliseconds; doubled with each one that follows. */
const FIRST_PAUSE_MS = 400

/** The longest pause that the server can ask for, in milliseconds. */
const LONGEST_ASKED_PAUSE_MS = 10_000

/**
 * How long to wait after the `failures`th failure in a row (from 1). `askedMs` is the server's
 * Retry-After; `random` is from 0 to 1, so that requests that failed together are not repeated together.
 * Milliseconds.
 */
export function retryPauseMs(failures: number, askedMs: number | undefined, random: number): number {
  const backoffMs = FIRST_PAUSE_MS * 2 ** (failures - 1) * (0.5 + 0.5 * random)
  return Math.max(backoffMs, Math.min(askedMs ?? 0, LONGEST_ASKED_PAUSE_MS))
}
