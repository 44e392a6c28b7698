import type { Intent } from './idempotency.ts'
import { compareInputs, type InputDigest } from './input-digest.ts'

/** A task of a list, with what a search needs of it. */
export type SeenTask = {
  taskID: string
  createdAtMs: number | undefined
  packageID: string | undefined
  blockName: string | undefined
  inputs: InputDigest | undefined
}

/** One reading of the task list. Times are epoch milliseconds, all but `readAtMs` by upstream's clock. */
export type Listing = {
  /** When the reading began, by our clock. */
  readAtMs: number
  tasks: readonly SeenTask[]
  /** Whether every task created at `backToMs` or later is in it. */
  isComplete: boolean
  newestMs: number
}

/** A create whose outcome was not seen. `endedAtMs`: when the attempt was over at the latest. */
export type LostCreate = { intent: Intent; startedAtMs: number; endedAtMs: number }

/** How long things may take; milliseconds. */
export type SearchTimes = {
  /** How long after the end of its attempt a create may still land. */
  settleMs: number
  /** A list that shows nothing younger than the attempt may lag behind by this. */
  unseenSettleMs: number
  /** Within this time of its creation a task is written down by its creator. */
  recordingMs: number
  /** How far upstream's clock may be from ours. */
  skewMs: number
}

/** A task counts as younger than an attempt from this on: clocks that are synchronised differ by less. */
const CLOCK_MARGIN_MS = 1_000

/** When the search begins: no task of the attempt is older. */
export function searchBackToMs(lost: LostCreate, { skewMs }: SearchTimes): number {
  return lost.startedAtMs - skewMs
}

/** The tasks that may be the lost one: `equal` ones have all its properties, of `unclear` ones some are not known. */
export function findCandidates(
  lost: LostCreate,
  listing: Listing,
  times: SearchTimes,
): { equal: SeenTask[]; unclear: SeenTask[] } {
  const equal: SeenTask[] = []
  const unclear: SeenTask[] = []
  for (const task of listing.tasks) {
    const verdict = judge(task, lost, times)
    if (verdict === 'equal') equal.push(task)
    if (verdict === 'unclear') unclear.push(task)
  }
  const age = ({ createdAtMs = 0 }: SeenTask) => createdAtMs
  return { equal: equal.sort((a, b) => age(a) - age(b)), unclear }
}

/**
 * What a listing without any candidate proves: that the create made no task; or nothing yet, and when to search
 * again (undefined: it is not known when).
 */
export function proveAbsence(
  lost: LostCreate,
  listing: Listing,
  times: SearchTimes,
): { absent: true } | { absent: false; againAtMs: number | undefined } {
  if (!listing.isComplete) return { absent: false, againAtMs: undefined }
  const settledAtMs = lost.endedAtMs + times.settleMs
  if (listing.readAtMs < settledAtMs) return { absent: false, againAtMs: settledAtMs }
  // A list that lags behind shows nothing younger than the attempt.
  const isCurrent = listing.newestMs > lost.endedAtMs + Math.min(CLOCK_MARGIN_MS, times.settleMs)
  if (isCurrent || listing.readAtMs >= lost.endedAtMs + times.unseenSettleMs) return { absent: true }
  return { absent: false, againAtMs: undefined }
}

function judge(task: SeenTask, lost: LostCreate, times: SearchTimes): 'equal' | 'different' | 'unclear' {
  const { intent, startedAtMs, endedAtMs } = lost
  const { createdAtMs, blockName, packageID } = task
  if (blockName !== undefined && blockName !== intent.blockName) return 'different'
  if (createdAtMs !== undefined) {
    const isInTime =
      createdAtMs >= startedAtMs - times.skewMs && createdAtMs <= endedAtMs + times.settleMs + times.skewMs
    if (!isInTime) return 'different'
  }
  const isKnown = createdAtMs !== undefined && blockName !== undefined
  const ofPackage = comparePackage(packageID, intent)
  if (ofPackage === 'different') return 'different'
  const ofInputs = compareInputs(intent.inputs, task.inputs)
  if (ofInputs === 'different') return 'different'
  return isKnown && ofPackage === 'equal' && ofInputs === 'equal' ? 'equal' : 'unclear'
}

const EXACT_VERSION = /^\d+\.\d+\.\d+/

/** The form of a package's id is not documented; `name@version` was observed. */
function comparePackage(
  packageID: string | undefined,
  { packageName, packageVersion }: Intent,
): 'equal' | 'different' | 'unclear' {
  const [, name, version] = /^(@?[^@]+)@([^@]+)$/.exec(packageID ?? '') ?? []
  if (name === undefined) return 'unclear'
  if (name !== packageName) return 'different'
  return version === packageVersion || !EXACT_VERSION.test(packageVersion) ? 'equal' : 'different'
}
