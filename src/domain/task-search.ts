import type { Intent } from './idempotency.ts'
import { compareInputs, type InputDigest } from './input-digest.ts'

/** A task as a search remembers it. */
export type SeenTask = {
  taskID: string
  createdAtMs: number | undefined
  packageID: string | undefined
  blockName: string | undefined
  inputs: InputDigest | undefined
}

/** What a reading of the task list brought. Times are epoch milliseconds of upstream's clock but `readAtMs`. */
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
  /** A create may land so much later than its attempt was over. */
  settleMs: number
  /** A list that shows nothing younger than the attempt is believed to be no older than this. */
  unseenSettleMs: number
  /** Within this time of its creation a task is written down by who created it. */
  recordingMs: number
  /** How far upstream's clock may be from ours. */
  skewMs: number
}

/** A task counts as younger than an attempt from so much on: clocks that are kept differ by less. */
const CLOCK_MARGIN_MS = 1_000

/** When the search begins: no task of the attempt is older. */
export function searchBackToMs(lost: LostCreate, { skewMs }: SearchTimes): number {
  return lost.startedAtMs - skewMs
}

/** The tasks that may be the lost one: `equal` ones certainly look like it, `unclear` ones may. */
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
 * What a listing without any candidate proves: the create never came to be; or nothing yet, and when to look
 * again; or nothing at all (undefined) at this time.
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

/** The form of a package's id is not documented; `name@version` is seen. */
function comparePackage(
  packageID: string | undefined,
  { packageName, packageVersion }: Intent,
): 'equal' | 'different' | 'unclear' {
  const [, name, version] = /^(@?[^@]+)@([^@]+)$/.exec(packageID ?? '') ?? []
  if (name === undefined) return 'unclear'
  if (name !== packageName) return 'different'
  return version === packageVersion || !EXACT_VERSION.test(packageVersion) ? 'equal' : 'different'
}
