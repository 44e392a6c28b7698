import { randomUUID } from 'node:crypto'
import type { Store } from '../../store/store.ts'

/**
 * How other processes on the same store know that this one lives and goes on with the creates it began. The
 * lease is kept only while creates are under way.
 */
export type ProcessLease = {
  /** This process, among all there ever were. */
  readonly process: string
  /** Holds the lease until the returned function is called; durable when it resolves. Throws `store_unavailable`. */
  hold(): Promise<() => void>
  /** Whether another process still goes on with what it began. */
  isAlive(process: string): Promise<boolean>
}

export type LeaseOptions = { store: Store; now: () => number; leaseMs: number }

export function createProcessLease({ store, now, leaseMs }: LeaseOptions): ProcessLease {
  const process = randomUUID()
  let holders = 0
  let heldUntilMs = 0
  let writing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const write = (): Promise<void> => {
    const untilMs = now() + leaseMs
    writing ??= store
      .put('idempotency', toLeaseKey(process), 'alive', untilMs)
      .then(() => {
        heldUntilMs = untilMs
      })
      .finally(() => {
        writing = undefined
      })
    return writing
  }
  const renew = () => {
    timer = undefined
    // A lease that can't be renewed runs out: what was begun is then looked for by whoever asks.
    write().catch(() => {})
    arm()
  }
  const arm = () => {
    if (timer === undefined && holders > 0) timer = setTimeout(renew, leaseMs / 3).unref()
  }
  const leave = () => {
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
        if (heldUntilMs < now() + leaseMs / 2) await write()
      } catch (error) {
        leave()
        throw error
      }
      arm()
      return leave
    },
    isAlive: async (other) => (await store.get('idempotency', toLeaseKey(other))) !== undefined,
  }
}

function toLeaseKey(process: string): string {
  return `lease:${process}`
}
