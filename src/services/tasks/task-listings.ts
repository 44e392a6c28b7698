import type { Credential } from '../../cloud/credential.ts'
import type { ListedTask, TaskPage } from '../../domain/task-page.ts'
import type { Listing, SeenTask } from '../../domain/task-search.ts'

export type PageQuery = { size: number; nextToken: string | undefined; status: string | undefined }

/** Reads one page of a credential's list. Rejects with `GatewayError`. */
export type ReadPage = (credential: Credential, query: PageQuery, signal?: AbortSignal) => Promise<TaskPage>

/** Scans of the task list back to a point in time. Concurrent searches share them. */
export type TaskListings = {
  /** A scan that began at most `maxAgeMs` ago. `backToMs` is by upstream's clock. Rejects with `GatewayError`. */
  read(credential: Credential, query: { maxAgeMs: number; backToMs: number }): Promise<Listing>
}

const PAGE_SIZE = 100
/** Longer lists are not read to their end. */
const MAX_PAGES = 200
/** After this many tasks from newest to oldest, the rest of a list is assumed to be in order too. */
const TASKS_IN_ORDER = 100

type SharedScan = { startedAtMs: number; backToMs: number; listing: Promise<Listing> }

/** `now`: milliseconds since 1970; `monotonicNow`: by a clock that is never set. */
type ListingClocks = { now: () => number; monotonicNow: () => number }

export function createTaskListings(readPage: ReadPage, { now, monotonicNow }: ListingClocks): TaskListings {
  const latest = new Map<string, SharedScan>()
  return {
    read: (credential, { maxAgeMs, backToMs }) => {
      const startedAtMs = monotonicNow()
      const shared = latest.get(credential.id)
      const isRecent = shared !== undefined && startedAtMs - shared.startedAtMs <= maxAgeMs
      if (isRecent && shared.backToMs <= backToMs) return shared.listing
      const listing = readList((query) => readPage(credential, query), now(), backToMs)
      const begun = { startedAtMs, backToMs, listing }
      latest.set(credential.id, begun)
      const forget = () => {
        if (latest.get(credential.id) === begun) latest.delete(credential.id)
      }
      listing.then(forget, forget)
      return listing
    },
  }
}

/** Reads page after page until the list ends or only older tasks follow. */
async function readList(
  readPage: (query: PageQuery) => Promise<TaskPage>,
  readAtMs: number,
  backToMs: number,
): Promise<Listing> {
  const tasks: SeenTask[] = []
  let nextToken: string | undefined
  let newestMs = 0
  let previousMs = Number.POSITIVE_INFINITY
  let isInOrder = true
  for (let page = 0; page < MAX_PAGES; page++) {
    const read = await readPage({ size: PAGE_SIZE, nextToken, status: undefined })
    for (const task of read.tasks) {
      const createdAtMs = task.createdAtMs ?? Number.NaN
      // NaN, a task without a time, makes the list count as unordered.
      isInOrder &&= createdAtMs <= previousMs
      previousMs = createdAtMs
      if (createdAtMs > newestMs) newestMs = createdAtMs
      if (!(createdAtMs < backToMs)) tasks.push(toSeen(task))
    }
    nextToken = read.nextToken
    const seen = (page + 1) * PAGE_SIZE
    const isPast = isInOrder && seen >= TASKS_IN_ORDER && previousMs < backToMs
    if (nextToken === undefined || isPast) return { readAtMs, tasks, isComplete: true, newestMs }
  }
  return { readAtMs, tasks, isComplete: false, newestMs }
}

/** Keeps only what a search needs, so that inputs do not stay in memory. */
function toSeen(task: ListedTask): SeenTask {
  const { taskID, createdAtMs, packageID, blockName } = task
  return { taskID, createdAtMs, packageID, blockName, inputs: task.inputs() }
}
