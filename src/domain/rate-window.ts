/** How far a window looks back, and how finely it counts. */
export const WINDOW_SECONDS = 60

/** What is left of a limit. `resetSeconds`: until the first of what is counted counts no more; from 1. */
export type Quota = { limit: number; remaining: number; resetSeconds: number }

/**
 * Counts of the last minute, second by second: a sliding window, so that no minute, wherever it begins, has
 * more than the limit. Time is passed in; a clock that goes back is taken to stand still. The limit is
 * passed in as well, because a reload may change it while the counts stay.
 */
export class RateWindow {
  readonly #counts = new Uint32Array(WINDOW_SECONDS)
  #second = 0
  #total = 0

  /** Counts one, unless the limit is reached: then false, and nothing is counted. */
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

  /** Seconds until no more than `count` are counted, had nothing else come. */
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
