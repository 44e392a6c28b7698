import { NEW_TASK, type TaskState } from '../../domain/task.ts'
import { type Failure, GatewayError } from '../../errors.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { TaskPoller } from '../polling/task-poller.ts'
import { type RunOutcome, toRunOutcome } from './run-outcome.ts'

/**
 * A task to wait for. `ageMs`: how long ago it was created. `isNew`: created just now, so the first poll can
 * wait. `isOwn`: created by this gateway, now or before.
 */
type AwaitedTask = { taskID: string; ageMs: number; isNew: boolean; isOwn: boolean }

export type WaitOptions = {
  /** How long to wait for the end, in milliseconds. */
  waitMs: number
  /** Called with every state that is seen, the last one included. */
  onState?: ((taskID: string, state: TaskState) => void) | undefined
}

type WaitDeps = { poller: Pick<TaskPoller, 'join'>; drain: Drain; monotonicNow: () => number }

/** A task that exists as far as we know, and was never seen. */
const UNSEEN_TASK: TaskState = { kind: 'running', status: 'unknown', progress: 0 }

/**
 * Waits until the task has ended, the time is over, the caller has left or the process ends, whatever is first;
 * everything that was set up for the wait is taken down then. Rejects with a `GatewayError` that has the task's
 * id when the task can't be polled.
 */
export function waitForEnd(
  { poller, drain, monotonicNow }: WaitDeps,
  context: RequestContext,
  { taskID, ageMs, isNew, isOwn }: AwaitedTask,
  { waitMs, onState }: WaitOptions,
): Promise<RunOutcome> {
  return new Promise((resolve, reject) => {
    const bornAtMs = monotonicNow() - ageMs
    let state: TaskState | undefined = isNew ? NEW_TASK : undefined
    let lastOutage: Failure | undefined
    const undo: (() => void)[] = []
    let isOver = false
    const finish = (settle: () => void) => {
      if (isOver) return
      isOver = true
      for (const step of undo) step()
      settle()
    }
    const fail = (failure: Failure) => finish(() => reject(new GatewayError(failure, { taskID })))
    const stop = () => {
      // A task that was never seen may not exist: then the answer is what went wrong.
      if (state === undefined && lastOutage !== undefined) fail(lastOutage)
      else finish(() => resolve(toRunOutcome(taskID, state ?? UNSEEN_TASK, monotonicNow() - bornAtMs)))
    }

    // However short the wait, it lasts until the first poll is over: before that there is nothing to answer.
    let isLate = false
    const onDeadline = () => {
      isLate = true
      if (state !== undefined || lastOutage !== undefined) stop()
    }
    const timer = setTimeout(onDeadline, waitMs)
    undo.push(() => clearTimeout(timer))
    context.signal.addEventListener('abort', stop, { once: true })
    undo.push(() => context.signal.removeEventListener('abort', stop))
    undo.push(drain.onBegin(stop))
    const leave = poller.join(
      { credential: context.caller.credential, taskID, ageMs, isNew, isOwn },
      {
        onState: (seen) => {
          state = seen
          onState?.(taskID, seen)
          if (isLate || seen.kind !== 'running') stop()
        },
        onFailure: fail,
        onRetry: (failure) => {
          lastOutage = failure
          if (isLate) stop()
        },
      },
    )
    undo.push(leave)
    if (isOver) leave()
    if (context.signal.aborted) stop()
  })
}
