import type { Failure } from '../errors.ts'

/** Bounds of the pause after failed looks, in milliseconds; doubled with each failure in a row. */
const SHORTEST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000

/** How often one credential may look at running tasks: a rate, and a pause after upstream showed that it suffers. */
export class LookBudget {
  readonly #ratePerMs: number
  readonly #burst: number
  readonly #random: () => number
  #tokens: number
  #refilledAtMs: number
  #failures = 0
  #pausedUntilMs = 0

  constructor(ratePerSecond: number, nowMs: number, random: () => number) {
    this.#ratePerMs = ratePerSecond / 1000
    // A tenth of a second's worth at once: looks are spread out, not fired in volleys.
    this.#burst = Math.max(1, ratePerSecond / 10)
    this.#tokens = this.#burst
    this.#refilledAtMs = nowMs
    this.#random = random
  }

  /** When the next look may be made, not before `nowMs`. */
  readyAtMs(nowMs: number): number {
    this.#refill(nowMs)
    const missing = Math.max(0, 1 - this.#tokens)
    return Math.max(nowMs + Math.ceil(missing / this.#ratePerMs), this.#pausedUntilMs)
  }

  /** Takes leave for one look; false when there is none now. */
  take(nowMs: number): boolean {
    this.#refill(nowMs)
    if (this.#tokens < 1 || nowMs < this.#pausedUntilMs) return false
    this.#tokens -= 1
    return true
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** A failure that says something about upstream as a whole: everyone of this credential waits. */
  failed(failure: Failure, nowMs: number): void {
    this.#failures += 1
    const backoff = Math.min(SHORTEST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS)
    const asked = 'retryAfterSeconds' in failure ? failure.retryAfterSeconds * 1000 : 0
    this.#pausedUntilMs = Math.max(
      this.#pausedUntilMs,
      nowMs + Math.max(backoff, asked) * (1 + 0.2 * this.#random()),
    )
  }

  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#refilledAtMs) * this.#ratePerMs)
    this.#refilledAtMs = nowMs
  }
}
