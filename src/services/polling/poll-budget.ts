import type { Failure } from '../../errors.ts'

/** Bounds of the pause after failed polls, in milliseconds; doubled with each failure in a row. */
const SHORTEST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000
/** What is left of the rate at worst, and how much of it comes back with each success. */
const LEAST_SHARE = 1 / 16
const SHARE_GROWTH = 1.1
/** A rate that a slowed credential keeps, a second, unless its own is lower. */
const LEAST_RATE = 5

/**
 * How often running tasks may be polled with one credential: a rate, a pause once upstream is seen to be down
 * or asks for it, then single polls as probes until one is answered, then less than the rate for a while.
 */
export class PollBudget {
  readonly #ratePerSecond: number
  readonly #random: () => number
  readonly #burst: number
  #tokens: number
  #refilledAtMs: number
  #share = 1
  #failures = 0
  #pausedAtMs = 0
  #pausedUntilMs = 0
  #isProbing = false

  constructor(ratePerSecond: number, nowMs: number, random: () => number) {
    this.#ratePerSecond = ratePerSecond
    this.#random = random
    // A tenth of a second's worth at once: polls are spread out, not fired in volleys.
    this.#burst = Math.max(1, ratePerSecond / 10)
    this.#tokens = this.#burst
    this.#refilledAtMs = nowMs
  }

  /** What part of the rate is in use, from 0 to 1. */
  get share(): number {
    return this.#share
  }

  /** Whether an outage goes on, in which upstream is sent nothing but one probe at a time. */
  get isPaused(): boolean {
    return this.#failures > 0
  }

  /** When the next poll may be made, not before `nowMs`; infinity while a probe is under way. */
  readyAtMs(nowMs: number): number {
    if (this.#isProbing) return Number.POSITIVE_INFINITY
    this.#refill(nowMs)
    const missing = Math.max(0, 1 - this.#tokens)
    return Math.max(nowMs + Math.ceil((missing * 1000) / this.#rate()), this.#pausedUntilMs)
  }

  /** Takes what one poll costs; false when it may not be made now. */
  take(nowMs: number): boolean {
    if (this.readyAtMs(nowMs) > nowMs) return false
    this.#tokens -= 1
    this.#isProbing = this.#failures > 0
    return true
  }

  /** A poll that was made outside the budget counts after all. */
  charge(): void {
    this.#tokens -= 1
  }

  succeeded(): void {
    this.#failures = 0
    this.#isProbing = false
    this.#share = Math.min(1, this.#share * SHARE_GROWTH)
  }

  /** A poll was cancelled, which says nothing about upstream. */
  abandoned(): void {
    this.#isProbing = false
  }

  /** A poll failed because of an outage: all polling with this credential pauses. */
  failed(failure: Failure, startedAtMs: number, nowMs: number): void {
    // What was under way when the pause began says nothing new.
    if (startedAtMs < this.#pausedAtMs) return
    this.#failures += 1
    this.#isProbing = false
    this.#share = Math.max(LEAST_SHARE, this.#share / 2)
    const backoff = Math.min(SHORTEST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS)
    const asked = 'retryAfterSeconds' in failure ? failure.retryAfterSeconds * 1000 : 0
    this.#pausedAtMs = nowMs
    this.#pausedUntilMs = nowMs + Math.max(backoff, asked) * (1 + 0.2 * this.#random())
  }

  #rate(): number {
    return Math.max(this.#ratePerSecond * this.#share, Math.min(this.#ratePerSecond, LEAST_RATE))
  }

  #refill(nowMs: number): void {
    // A moment before the last one takes nothing away.
    const earned = (Math.max(0, nowMs - this.#refilledAtMs) * this.#rate()) / 1000
    this.#tokens = Math.min(this.#burst, this.#tokens + earned)
    this.#refilledAtMs = nowMs
  }
}
