import { GatewayError } from '../../errors.ts'
import type { Limits } from '../callers/caller-limits.ts'
import type { Caller } from '../callers/request-context.ts'
import { releaseOnce } from '../release-once.ts'

/** The slots for requests that wait, in this process. */
export type WaitSlots = {
  /** Takes a slot; the returned function gives it back. Throws `overloaded`. */
  acquire(): () => void
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
    acquire: () => {
      if (waiting >= maxWaiting) {
        const detail = 'Too many requests are waiting in this gateway. Retry after the time in Retry-After.'
        throw new GatewayError({ code: 'overloaded', detail })
      }
      waiting += 1
      return releaseOnce(() => {
        waiting -= 1
      })
    },
  }
}

export type SlotDeps = { limits: Pick<Limits, 'acquireRun'>; waitSlots: WaitSlots }

/**
 * Works with a slot of the caller and one of the process, both or none, and gives them back at the end. Throws
 * `too_many_runs` or `overloaded` before the work begins.
 */
export async function withWaitSlot<T>(
  { limits, waitSlots }: SlotDeps,
  caller: Caller,
  work: () => Promise<T>,
): Promise<T> {
  const releaseOwn = limits.acquireRun(caller)
  try {
    const release = waitSlots.acquire()
    try {
      return await work()
    } finally {
      release()
    }
  } finally {
    releaseOwn()
  }
}
