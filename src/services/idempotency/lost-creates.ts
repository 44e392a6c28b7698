/**
 * When this process lost the outcome of a create. Records say so by the wall clock, which may be set: an hour
 * forward, and a create that can still land would count as one that never will.
 */
export type LostCreates = {
  note(recordKey: string): void
  /** How many milliseconds are left until nothing of the create can land any more; 0 when it was not lost here. */
  settlesInMs(recordKey: string): number
}

/** More than are lost while one settles, unless upstream is down, when most creates are not sent at all. */
const MAX_LOST = 10_000

/** `monotonicNow`: milliseconds, by a clock that is never set. `settleMs`: as in `SearchTimes`. */
export function createLostCreates(monotonicNow: () => number, settleMs: number): LostCreates {
  // In the order in which they settle.
  const settledAtMs = new Map<string, number>()
  return {
    note: (recordKey) => {
      settledAtMs.delete(recordKey)
      settledAtMs.set(recordKey, monotonicNow() + settleMs)
      for (const [oldest, atMs] of settledAtMs) {
        if (settledAtMs.size <= MAX_LOST && atMs > monotonicNow()) break
        settledAtMs.delete(oldest)
      }
    },
    settlesInMs: (recordKey) => Math.max(0, (settledAtMs.get(recordKey) ?? 0) - monotonicNow()),
  }
}
