/** The length of a window. It counts in seconds. */
export const WINDOW_SECONDS = 60

/** What remains of a limit. `resetSeconds`: until the oldest counted second leaves the window; from 1. */
export type Quota = { limit: number; remaining: number; resetSeconds: number }

/**
 * Counts of the last minute, second by second: a window that slides in steps of a second, so that no period of
 * 59 seconds has more than the limit. Time is passed in, by a clock that is never set. The limit is passed in
 * as well, because a reload can change it while the counts stay.
 */
export class RateWindow {
  readonly #counts = new Uint32Array(WINDOW_SECONDS)
  #second = 0
  #total = 0

  /** Counts one and returns true; returns false and counts nothing once the limit is reached. */
  take(limit: number, nowMs: number): boolean {
    this.#advance(nowMs)
    if (this.#total >= limit) return false
    this.#counts[this.#second % WINDOW_SECONDS] = this.#at(this.#second) + 1
    this.#total += 1
    return true
  }

  quota(limit: number, nowMs: number): Quota {
    this.#advance(nowMs)
    const remaining = Math.max(0, limit - this.#total)
    return { limit, remaining, resetSeconds: this.#secondsUntil(Math.min(this.#total, limit) - 1) }
  }

  /** Seconds until at most `count` are in the window, if nothing more is counted. */
  #secondsUntil(count: number): number {
    let left = this.#total
    for (let age = WINDOW_SECONDS - 1; age >= 0; age--) {
      left -= this.#at(this.#second - age)
      if (left <= count) return WINDOW_SECONDS - age
    }
    return WINDOW_SECONDS
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    if (second - this.#second >= WINDOW_SECONDS) {
      this.#counts.fill(0)
      this.#total = 0
      this.#second = second
    }
    while (this.#second < second) {
      this.#second += 1
      this.#total -= this.#at(this.#second)
      this.#counts[this.#second % WINDOW_SECONDS] = 0
    }
  }

  #at(second: number): number {
    return this.#counts[(second + WINDOW_SECONDS) % WINDOW_SECONDS] ?? 0
  }
}
