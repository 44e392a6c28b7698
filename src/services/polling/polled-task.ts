import { NEW_TASK, type TaskState } from '../../domain/task.ts'
import type { PollTarget, Waiter } from './task-poller.ts'

/** A task under watch: who waits for it and what was last seen. */
export type PolledTask = {
  readonly taskID: string
  readonly createdAtMs: number
  /** Created by us just now: upstream may need a moment until it knows it. */
  readonly isNew: boolean
  /** Created by us, now or before. */
  readonly isOwn: boolean
  readonly waiters: Set<Waiter>
  state: TaskState | undefined
  /** The request about it that is under way: never two. */
  look: AbortController | undefined
  missingSinceMs: number | undefined
  /** A list has shown its end, and its result was asked for on the strength of that. */
  isEndFollowed: boolean
}

export function createPolledTask({ taskID, createdAtMs, isNew, isOwn = isNew }: PollTarget): PolledTask {
  return {
    taskID,
    createdAtMs,
    isNew,
    isOwn,
    waiters: new Set(),
    state: isNew ? NEW_TASK : undefined,
    look: undefined,
    missingSinceMs: undefined,
    isEndFollowed: false,
  }
}

/** Waiters told before other work gets its turn: what telling sets off is an answer to each. */
const TOLD_AT_ONCE = 50

/** Tells all waiters, some at a time; who has left by then is not told. */
export function tellWaiters(waiters: ReadonlySet<Waiter>, tell: (waiter: Waiter) => void): void {
  const rest = waiters.values()
  const tellSome = () => {
    for (let told = 0; told < TOLD_AT_ONCE; told++) {
      const { value, done } = rest.next()
      if (done) return
      tell(value)
    }
    setImmediate(tellSome)
  }
  tellSome()
}
