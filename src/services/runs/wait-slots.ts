import { GatewayError } from '../../errors.ts'

/** Seconds after which a caller that found no place may ask again. */
const RETRY_AFTER_SECONDS = 5

/** The places for requests that wait, in this process. */
export type WaitSlots = {
  /** Takes a place, before anything is created for it; returns what gives it back. Throws `overloaded`. */
  enter(): () => void
  readonly waiting: number
  readonly full: boolean
}

export function createWaitSlots(maxWaiting: number): WaitSlots {
  let waiting = 0
  return {
    get waiting() {
      return waiting
    },
    get full() {
      return waiting >= maxWaiting
    },
    enter: () => {
      if (waiting >= maxWaiting) {
        const detail = 'Too many requests are waiting in this gateway.'
        throw new GatewayError({ code: 'overloaded', detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
      }
      waiting += 1
      let left = false
      return () => {
        if (!left) waiting -= 1
        left = true
      }
    },
  }
}
