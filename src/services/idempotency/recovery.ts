import type { RecordOf } from '../../domain/idempotency.ts'
import {
  findCandidates,
  type Listing,
  proveAbsence,
  type SearchTimes,
  type SeenTask,
  searchBackToMs,
} from '../../domain/task-search.ts'
import type { Store } from '../../store/store.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { TaskListings } from '../tasks/task-listings.ts'
import type { LostCreates } from './lost-creates.ts'
import { claimTask, findClaimable } from './task-claims.ts'

/** The outcome of a lost create. `againAtMs`: when another search may find out more; undefined: not soon. */
export type Finding =
  | { kind: 'found'; taskID: string; createdAtMs: number }
  | { kind: 'absent' }
  | { kind: 'unknown'; againAtMs: number | undefined }

type RecoveryDeps = {
  store: Store
  listings: TaskListings
  lostCreates: LostCreates
  times: SearchTimes
  /** Milliseconds since 1970. */
  now: () => number
}

/**
 * Searches the task list of the credential that a lost create was made with for its task. A task that is found
 * is claimed for the key, so that no two keys get the same. Throws `GatewayError`.
 */
export type Recover = (
  context: RequestContext,
  recordKey: string,
  record: RecordOf<'unknown'>,
) => Promise<Finding>

export function createRecover({ store, listings, lostCreates, times, now }: RecoveryDeps): Recover {
  return async ({ caller }, recordKey, record) => {
    const settlesInMs = lostCreates.settlesInMs(recordKey)
    const listing = await listings.read(caller.credential, {
      maxAgeMs: MAX_LISTING_AGE_MS,
      backToMs: searchBackToMs(record, times),
    })
    const { equal, unclear } = findCandidates(record, listing, times)
    const isClaimable = await findClaimable(store, recordKey, [...equal, ...unclear])
    const candidates = equal.filter(isClaimable)
    const settled = candidates.filter((task) => isRecordedByNow(task, listing, times))
    for (const { taskID, createdAtMs = listing.readAtMs } of settled) {
      if (await claimTask({ store, now }, recordKey, taskID, record.startedAtMs)) {
        return { kind: 'found', taskID, createdAtMs }
      }
    }
    if (candidates.length > 0) return { kind: 'unknown', againAtMs: now() + times.recordingMs }
    if (unclear.some(isClaimable)) return { kind: 'unknown', againAtMs: undefined }
    const proof = proveAbsence(record, listing, times)
    if (proof.absent && settlesInMs > 0) return { kind: 'unknown', againAtMs: now() + Math.ceil(settlesInMs) }
    return proof.absent ? { kind: 'absent' } : { kind: 'unknown', againAtMs: proof.againAtMs }
  }
}

/** Searches that begin at about the same time may read the same pages. */
const MAX_LISTING_AGE_MS = 50

/** A younger task may be another create's, about to be written down. */
function isRecordedByNow({ createdAtMs = 0 }: SeenTask, listing: Listing, times: SearchTimes): boolean {
  return createdAtMs + times.recordingMs <= listing.readAtMs
}
