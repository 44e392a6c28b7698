import {
  admitCall,
  type BreakerState,
  CLOSED,
  noteAnswer,
  noteFailure,
  waitOf,
} from '../../domain/breaker.ts'
import { GatewayError } from '../../errors.ts'

/** Fails fast while the other side of one operation is down. */
export type Breaker = {
  /** Throws `upstream_unavailable` when a call would be refused now; takes no place. */
  check(): void
  /** Makes the call, or throws `upstream_unavailable` without making it. `isDown` judges a failed call. */
  run<T>(call: () => Promise<T>, isDown: () => boolean): Promise<T>
}

export function createBreaker(now: () => number, random: () => number): Breaker {
  let state: BreakerState = CLOSED

  const refuseFor = (waitMs: number): void => {
    if (waitMs <= 0) return
    throw new GatewayError({ code: 'upstream_unavailable', retryAfterSeconds: Math.ceil(waitMs / 1000) })
  }
  return {
    check: () => refuseFor(waitOf(state, now())),
    run: async (call, isDown) => {
      const admitted = admitCall(state, now())
      refuseFor(admitted.waitMs)
      state = admitted.state
      try {
        const answer = await call()
        state = noteAnswer()
        return answer
      } catch (error) {
        state = isDown() ? noteFailure(state, now(), random()) : noteAnswer()
        throw error
      }
    },
  }
}
