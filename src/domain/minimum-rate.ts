/** A rate below which something counts as too slow, and the window over which that is measured. */
type RateFloor = { windowMs: number; bytesPerMs: number }

/**
 * Whether bytes come fast enough. Only time spent waiting for them counts, so that nobody is slow because we did not
 * read. Times are passed in, from a clock that is never set back.
 */
export class MinimumRate {
  readonly #floor: RateFloor
  #waitedMs = 0
  #bytes = 0
  #waitingSinceMs: number | undefined

  constructor(floor: RateFloor) {
    this.#floor = floor
  }

  /** From now on the bytes are waited for. */
  wait(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs
  }

  /** From now on they are not. */
  rest(nowMs: number): void {
    this.#waitedMs = this.#waited(nowMs)
    this.#waitingSinceMs = undefined
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }

  /** Milliseconds of waiting until this window is over; not below 0. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#floor.windowMs - this.#waited(nowMs))
  }

  /** Whether a window is over in which too little came. When one is over, the next begins. */
  isTooSlow(nowMs: number): boolean {
    const waitedMs = this.#waited(nowMs)
    if (waitedMs < this.#floor.windowMs) return false
    const tooSlow = this.#bytes < waitedMs * this.#floor.bytesPerMs
    this.#bytes = 0
    this.#waitedMs = 0
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = nowMs
    return tooSlow
  }

  #waited(nowMs: number): number {
    return this.#waitedMs + (this.#waitingSinceMs === undefined ? 0 : nowMs - this.#waitingSinceMs)
  }
}
