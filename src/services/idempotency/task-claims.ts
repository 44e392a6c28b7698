import { toRemainingMs } from '../../domain/idempotency.ts'
import type { SeenTask } from '../../domain/task-search.ts'
import type { Store } from '../../store/store.ts'

const TASK_CLAIM_LIFE_MS = 2 * 24 * 60 * 60 * 1000

/**
 * Claims a task for a key, so that no two keys get the same; false when another key has it. Outlives the
 * record of the key. `recordKey` as `toRecordKey` made it. Throws `store_unavailable`.
 */
export async function claimTask(
  { store, now }: { store: Store; now: () => number },
  recordKey: string,
  taskID: string,
  startedAtMs: number,
): Promise<boolean> {
  const livesMs = toRemainingMs(TASK_CLAIM_LIFE_MS, startedAtMs, now())
  const holder = await store.claim('idempotency', toTaskKey(taskID), recordKey, livesMs)
  return holder === undefined || holder === recordKey
}

/**
 * Which of the tasks a key may claim: those that no other key has and, unless this key has them, that have no
 * owner. Throws `store_unavailable`.
 */
export async function findClaimable(
  store: Store,
  recordKey: string,
  tasks: readonly SeenTask[],
): Promise<(task: SeenTask) => boolean> {
  const ids = tasks.map(({ taskID }) => taskID)
  const [keys, owners] = await Promise.all([
    store.getMany('idempotency', ids.map(toTaskKey)),
    store.getMany('owners', ids),
  ])
  // A task is claimed for its key before its owner is written down, so an owner alone means another create.
  const free = new Set(ids.filter((_, at) => keys[at] === recordKey || !(keys[at] ?? owners[at])))
  return ({ taskID }) => free.has(taskID)
}

function toTaskKey(taskID: string): string {
  return `task:${taskID}`
}
