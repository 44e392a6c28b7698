import { NEW_TASK, type TaskState } from '../../domain/task.ts'
import { type Failure, GatewayError } from '../../errors.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { PollTarget, Waiter } from '../polling/polled-task.ts'
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

/** A deadline that fires this much too late, in milliseconds, was not late by itself: the process stood still. */
const STOOD_STILL_MS = 1_000
/** How long a wait goes on then for one more look at its task. */
const LAST_LOOK_MS = 5_000

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
    const target = { credential: context.caller.credential, taskID, ageMs, isNew, isOwn }
    const waiter: Waiter = {
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
    }
    let leave = () => {}
    const onDeadline = () => {
      isLate = true
      if (state !== undefined || lastOutage !== undefined) stop()
    }
    const onLateDeadline = () => {
      // The task may have ended while the process stood still: it is asked for once more, in its turn.
      isLate = true
      leave()
      leave = lookAgain(poller, { ...target, ageMs: monotonicNow() - bornAtMs }, waiter)
    }
    undo.push(startDeadline(waitMs, { onDeadline, onLateDeadline, onEnd: stop }))
    context.signal.addEventListener('abort', stop, { once: true })
    undo.push(() => context.signal.removeEventListener('abort', stop))
    undo.push(drain.onBegin(stop), () => leave())
    leave = poller.join(target, waiter)
    if (isOver) leave()
    if (context.signal.aborted) stop()
  })
}

/** Joins for what is seen from now on: what is known already is what a last look is there to replace. */
function lookAgain(poller: WaitDeps['poller'], target: PollTarget, waiter: Waiter): () => void {
  let isDeaf = true
  const leave = poller.join(
    { ...target, isNew: false },
    {
      onState: (seen) => {
        if (!isDeaf) waiter.onState(seen)
      },
      onFailure: (failure) => waiter.onFailure(failure),
      onRetry: (failure) => {
        if (!isDeaf) waiter.onRetry?.(failure)
      },
    },
  )
  isDeaf = false
  return leave
}

/**
 * Calls `onDeadline` after that time; or, when the process stood still meanwhile, `onLateDeadline`, and `onEnd` when
 * the time for a last look is over as well. The returned function takes it back.
 */
function startDeadline(
  waitMs: number,
  calls: { onDeadline(): void; onLateDeadline(): void; onEnd(): void },
): () => void {
  const dueMs = performance.now() + waitMs
  let timer = setTimeout(() => {
    if (performance.now() - dueMs < STOOD_STILL_MS) {
      calls.onDeadline()
      return
    }
    timer = setTimeout(calls.onEnd, LAST_LOOK_MS)
    calls.onLateDeadline()
  }, waitMs)
  return () => clearTimeout(timer)
}
