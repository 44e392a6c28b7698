import { randomUUID } from 'node:crypto'
import type { Store } from '../../store/store.ts'

/**
 * How other processes on the same store know that this one lives and goes on with the creates it began. The
 * lease is kept only while creates are under way.
 */
export type ProcessLease = {
  /** This process, unlike any other there ever was. */
  readonly process: string
  /** Holds the lease until the returned function is called; durable when it resolves. Throws `store_unavailable`. */
  hold(): Promise<() => void>
  /** Whether another process still goes on with what it began. Throws `store_unavailable`. */
  isAlive(process: string): Promise<boolean>
}

/** Milliseconds; `now` is the clock of the store, by which a lease runs out for all processes. */
type ProcessLeaseDeps = { store: Store; now: () => number; leaseMs: number }

export function createProcessLease({ store, now, leaseMs }: ProcessLeaseDeps): ProcessLease {
  const process = randomUUID()
  let holders = 0
  let leasedUntilMs = 0
  /** Too long is as bad as too short: the clock was set back, and the lease would outlive this process. */
  const isFresh = () => {
    const leftMs = leasedUntilMs - now()
    return leftMs >= leaseMs / 2 && leftMs <= leaseMs
  }
  let writing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const write = (): Promise<void> => {
    const untilMs = now() + leaseMs
    writing ??= store
      .put('leases', process, 'alive', leaseMs)
      .then(() => {
        leasedUntilMs = untilMs
      })
      .finally(() => {
        writing = undefined
      })
    return writing
  }
  const renew = () => {
    timer = undefined
    // A lease that can't be renewed runs out: the next request with the key then searches what was begun.
    write().catch(() => {})
    schedule()
  }
  const schedule = () => {
    if (timer === undefined && holders > 0) timer = setTimeout(renew, leaseMs / 3).unref()
  }
  const release = () => {
    holders -= 1
    if (holders > 0) return
    clearTimeout(timer)
    timer = undefined
  }

  return {
    process,
    hold: async () => {
      holders += 1
      try {
        if (!isFresh()) await write()
      } catch (error) {
        release()
        throw error
      }
      schedule()
      return release
    },
    isAlive: async (other) => (await store.get('leases', other)) !== undefined,
  }
}
