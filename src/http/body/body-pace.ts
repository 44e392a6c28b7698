import { SLOWEST_BODY_BYTES_PER_MS } from '../../domain/deadlines.ts'
import { MinimumRate } from '../../domain/minimum-rate.ts'
import type { GatewayError } from '../../errors.ts'
import { type BodyDeadlines, bodyStalled, bodyTooSlow } from '../request/body-deadlines.ts'

/** Watches how fast a body comes while we wait for it, and says once when that is too slow. */
export class BodyPace {
  readonly #deadlines: BodyDeadlines
  readonly #onSlow: (error: GatewayError) => void
  readonly #rate: MinimumRate
  #timer: NodeJS.Timeout | undefined
  /** When the last byte came, or waiting for it began. */
  #lastMs = 0

  /** `onSlow` gets `request_timeout`, never while `wait` is on the stack. */
  constructor(deadlines: BodyDeadlines, onSlow: (error: GatewayError) => void) {
    this.#deadlines = deadlines
    this.#onSlow = onSlow
    this.#rate = new MinimumRate({ windowMs: deadlines.bodyMs, bytesPerMs: SLOWEST_BODY_BYTES_PER_MS })
  }

  /** From now on the caller is waited for. */
  wait(): void {
    const nowMs = performance.now()
    this.#lastMs = nowMs
    this.#rate.wait(nowMs)
    // Whoever keeps each wait short must not escape: the end of a window is seen here as well.
    if (this.#rate.isTooSlow(nowMs))
      this.#timer = setTimeout(() => this.#onSlow(bodyTooSlow(this.#deadlines)), 0)
    else this.#arm(nowMs)
  }

  came(bytes: number): void {
    this.#rate.add(bytes)
    this.#lastMs = performance.now()
  }

  /** From now on the caller is not waited for: it is held back, or the body is over. */
  rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#rate.rest(performance.now())
  }

  #arm(nowMs: number): void {
    const idleMs = this.#lastMs + this.#deadlines.bodyIdleMs - nowMs
    // Timers may come a little early.
    this.#timer = setTimeout(this.#check, Math.max(1, Math.ceil(Math.min(idleMs, this.#rate.leftMs(nowMs)))))
  }

  readonly #check = (): void => {
    const nowMs = performance.now()
    if (nowMs - this.#lastMs >= this.#deadlines.bodyIdleMs) this.#onSlow(bodyStalled(this.#deadlines))
    else if (this.#rate.isTooSlow(nowMs)) this.#onSlow(bodyTooSlow(this.#deadlines))
    else this.#arm(nowMs)
  }
}
