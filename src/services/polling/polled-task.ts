import type { Credential } from '../../cloud/credential.ts'
import { NEW_TASK, type TaskState } from '../../domain/task.ts'
import type { Failure } from '../../errors.ts'

/** Polls one task once, by its id. Rejects with `GatewayError`. */
export type PollTask = (credential: Credential, taskID: string, signal: AbortSignal) => Promise<TaskState>

/**
 * A task to poll with the credential it belongs to. `ageMs`: how long ago it was, or is taken to be, created.
 * `isNew`: the gateway created it just now. `isOwn`: the gateway created it, now or before; as `isNew` if
 * left out.
 */
export type PollTarget = {
  credential: Credential
  taskID: string
  ageMs: number
  isNew: boolean
  isOwn?: boolean
}

/** What a wait for one task is called back with; after an ended state or `onFailure` nothing more comes. */
export type Waiter = {
  onState(state: TaskState): void
  /** The task can't be polled any further, whatever time is left. */
  onFailure(failure: Failure): void
  /** A poll failed and will be repeated, or is put off because others failed. */
  onRetry?(failure: Failure): void
}

/** A task that is polled: who waits for it, and its state as last seen. */
export type PolledTask = {
  readonly taskID: string
  /** When it was created, by the clock of durations; before that clock began, if it is older. */
  readonly bornAtMs: number
  /** The gateway created it just now: upstream may need a moment until it knows it. */
  readonly isNew: boolean
  /** The gateway created it, now or before. */
  readonly isOwn: boolean
  readonly waiters: Set<Waiter>
  state: TaskState | undefined
  /** Cancels the poll by id that is under way; there are never two. */
  poll: AbortController | undefined
  missingSinceMs: number | undefined
  /** A list has shown its end once, and its result was asked for because of that. */
  wasListedAsEnded: boolean
}

/** A task that is about to be polled, without waiters. `nowMs` is by the clock of durations. */
export function createPolledTask(
  { taskID, ageMs, isNew, isOwn = isNew }: PollTarget,
  nowMs: number,
): PolledTask {
  return {
    taskID,
    bornAtMs: nowMs - ageMs,
    isNew,
    isOwn,
    waiters: new Set(),
    state: isNew ? NEW_TASK : undefined,
    poll: undefined,
    missingSinceMs: undefined,
    wasListedAsEnded: false,
  }
}

/** Waiters called before other work gets its turn: each call may write an answer. */
const CALLED_AT_ONCE = 50

/** Calls all waiters, some at a time; one that has left by then is not called. */
export function callWaiters(waiters: ReadonlySet<Waiter>, call: (waiter: Waiter) => void): void {
  const rest = waiters.values()
  const callSome = () => {
    for (let called = 0; called < CALLED_AT_ONCE; called++) {
      const { value, done } = rest.next()
      if (done) return
      call(value)
    }
    setImmediate(callSome)
  }
  callSome()
}
