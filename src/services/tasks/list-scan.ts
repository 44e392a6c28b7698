import type { Credential } from '../../cloud/credential.ts'
import type { ListedTask, TaskPage } from '../../domain/task-page.ts'
import type { Listing, SeenTask } from '../../domain/task-search.ts'

export type PageQuery = { size: number; nextToken: string | undefined; status: string | undefined }

/** Reads one page of a credential's list. Rejects with `GatewayError`. */
export type ReadPage = (credential: Credential, query: PageQuery, signal?: AbortSignal) => Promise<TaskPage>

/** Readings of the task list back to a moment, shared by all who search at the same time. */
export type TaskListings = {
  /** A reading that began at `notBeforeMs` or later. Rejects with `GatewayError`. */
  read(credential: Credential, query: { notBeforeMs: number; backToMs: number }): Promise<Listing>
}

const PAGE_SIZE = 100
/** A list that goes on beyond this many pages is not read to its end. */
const MAX_PAGES = 200
/** A list that has shown so many tasks from newest to oldest is taken to go on like that. */
const TASKS_IN_ORDER = 100

type Shared = { startedAtMs: number; backToMs: number; listing: Promise<Listing> }

export function createTaskListings(readPage: ReadPage, now: () => number): TaskListings {
  const latest = new Map<string, Shared>()
  return {
    read: (credential, { notBeforeMs, backToMs }) => {
      const shared = latest.get(credential.id)
      if (shared && shared.startedAtMs >= notBeforeMs && shared.backToMs <= backToMs) return shared.listing
      const startedAtMs = now()
      const listing = readList((query) => readPage(credential, query), startedAtMs, backToMs)
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

/** Reads page after page until the list ends, or is seen to go on with older tasks only. */
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
      // What can't be placed in time is no order.
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

/** Keeps what a search needs; the inputs themselves go. */
function toSeen(task: ListedTask): SeenTask {
  const { taskID, createdAtMs, packageID, blockName } = task
  return { taskID, createdAtMs, packageID, blockName, inputs: task.inputs() }
}
