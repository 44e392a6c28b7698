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
import type { TaskListings } from '../tasks/list-scan.ts'

/** What became of a create whose outcome was not seen. `againAtMs`: when another look may tell more. */
export type Finding =
  | { kind: 'found'; taskID: string; createdAtMs: number }
  | { kind: 'absent' }
  | { kind: 'unknown'; againAtMs: number | undefined }

export type RecoveryDeps = { store: Store; listings: TaskListings; times: SearchTimes; now: () => number }

/**
 * Looks for the task of a lost create in the task list of the credential it was made with. A task that is
 * found is claimed for the key, so that no two keys get the same. Throws `GatewayError`.
 */
export type Recover = (
  context: RequestContext,
  recordKey: string,
  record: RecordOf<'unknown'>,
) => Promise<Finding>

export function createRecover({ store, listings, times, now }: RecoveryDeps): Recover {
  return async ({ caller }, recordKey, record) => {
    const listing = await listings.read(caller.credential, {
      notBeforeMs: now() - MAX_LISTING_AGE_MS,
      backToMs: searchBackToMs(record, times),
    })
    const { equal, unclear } = findCandidates(record, listing, times)
    const isFree = await findFree(store, recordKey, [...equal, ...unclear])
    const mine = equal.filter(isFree)
    const old = mine.filter((task) => isRecordedByNow(task, listing, times))
    for (const { taskID, createdAtMs = listing.readAtMs } of old) {
      if (await claimTask(store, recordKey, taskID, record.startedAtMs)) {
        return { kind: 'found', taskID, createdAtMs }
      }
    }
    if (mine.length > 0) return { kind: 'unknown', againAtMs: now() + times.recordingMs }
    if (unclear.some(isFree)) return { kind: 'unknown', againAtMs: undefined }
    const proof = proveAbsence(record, listing, times)
    return proof.absent ? { kind: 'absent' } : { kind: 'unknown', againAtMs: proof.againAtMs }
  }
}

/** Who searches at about the same time may read the same pages. */
const MAX_LISTING_AGE_MS = 50

/** A younger one may be another create's, about to be written down. */
function isRecordedByNow({ createdAtMs = 0 }: SeenTask, listing: Listing, times: SearchTimes): boolean {
  return createdAtMs + times.recordingMs <= listing.readAtMs
}

/** Which tasks belong to nobody: to no other key and, unless to this very key, to no owner. */
async function findFree(store: Store, recordKey: string, tasks: readonly SeenTask[]) {
  const ids = tasks.map(({ taskID }) => taskID)
  const [keys, owners] = await Promise.all([
    store.getMany('idempotency', ids.map(toTaskKey)),
    store.getMany('owners', ids),
  ])
  // A task is claimed for its key before its owner is written down, so an owner alone means another create.
  const free = new Set(ids.filter((_, at) => keys[at] === recordKey || !(keys[at] ?? owners[at])))
  return ({ taskID }: SeenTask) => free.has(taskID)
}

const DAY_MS = 24 * 60 * 60 * 1000

/** Claims a task for a key; false when another key has it. Outlives the record, so that no task is found twice. */
export async function claimTask(
  store: Store,
  recordKey: string,
  taskID: string,
  startedAtMs: number,
): Promise<boolean> {
  const holder = await store.claim('idempotency', toTaskKey(taskID), recordKey, startedAtMs + 2 * DAY_MS)
  return holder === undefined || holder === recordKey
}

function toTaskKey(taskID: string): string {
  return `task:${taskID}`
}
