import type { TaskApi } from '../../cloud/task-api.ts'
import { type FinishedTask, NEW_TASK, type TaskState } from '../../domain/task.ts'
import { type Failure, GatewayError } from '../../errors.ts'
import type { Limits } from '../callers/caller-limits.ts'
import type { Owners } from '../callers/owners.ts'
import { type Caller, type RequestContext, toCallContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { TaskPoller } from '../polling/task-poller.ts'
import type { CreateTask } from './create-task.ts'
import type { WaitSlots } from './wait-slots.ts'

/**
 * A task to wait for. `isNew`: created just now, so there is no need to ask at once. `isOwn`: known to be the
 * caller's. `end`: how it ended, if that is known already; `saveOutcome` is told once it is.
 */
export type AwaitedTask = {
  taskID: string
  createdAtMs: number
  isNew: boolean
  isOwn?: boolean
  end?: FinishedTask | undefined
  saveOutcome?: (end: FinishedTask) => void
}

/** How a wait ends; its time being over is one of its ends. `ageMs` is how long the task has run, as far as we know. */
export type RunOutcome =
  | { kind: 'ended'; taskID: string; task: FinishedTask }
  | { kind: 'pending'; taskID: string; status: string; progress: number; ageMs: number }

export type WaitOptions = { waitMs: number; onState?: (state: TaskState) => void }

/** The use cases around a run: creating it, and waiting for its end. */
export type Runs = {
  /**
   * Takes a place among those who wait, the caller's own and the process's; called before the create. Returns
   * what gives it back. Throws `too_many_runs` or `overloaded`.
   */
  enter(context: RequestContext): () => void
  /** Throws `rate_limited` when the caller has no create left; before what would be in vain without one. */
  requireCreate(context: RequestContext): void
  create: CreateTask
  /** Where a task stands right now, from one request. */
  look(context: RequestContext, taskID: string): Promise<RunOutcome>
  /**
   * Waits until the task has ended, the time is over, the caller has left or the process ends. Throws
   * `GatewayError` with the task's id when the task can't be watched.
   */
  wait(context: RequestContext, awaited: AwaitedTask, options: WaitOptions): Promise<RunOutcome>
}

export type RunsDeps = {
  api: TaskApi
  createTask: CreateTask
  owners: Owners
  poller: TaskPoller
  admission: WaitSlots
  drain: Drain
  limits: Limits
  now: () => number
}

export function createRuns(parts: RunsDeps): Runs {
  const { api, createTask, owners } = parts
  return {
    enter: ({ caller }) => enter(parts, caller),
    requireCreate: ({ caller }) => parts.limits.requireCreate(caller),
    create: createTask,
    look: async (context, taskID) => {
      await owners.require(context, taskID)
      const { state } = await api.result(toCallContext(context), taskID)
      return toRunEnd(taskID, state, 0)
    },
    wait: async (context, awaited, options) => {
      const { taskID, isOwn, end, saveOutcome } = awaited
      // Whoever created a task is its owner, recorded or not.
      if (!isOwn) await owners.require(context, taskID)
      if (end !== undefined) return { kind: 'ended', taskID, task: end }
      const outcome = await waitForEnd(parts, context, awaited, options)
      if (outcome.kind === 'ended') saveOutcome?.(outcome.task)
      return outcome
    },
  }
}

/** A place is taken whole or not at all. */
function enter({ limits, admission }: Pick<RunsDeps, 'limits' | 'admission'>, caller: Caller): () => void {
  const leaveOwn = limits.acquireRun(caller)
  try {
    const leave = admission.enter()
    return () => {
      leave()
      leaveOwn()
    }
  } catch (error) {
    leaveOwn()
    throw error
  }
}

function toRunEnd(taskID: string, state: TaskState, ageMs: number): RunOutcome {
  if (state.kind !== 'running') return { kind: 'ended', taskID, task: state }
  return { kind: 'pending', taskID, status: state.status, progress: state.progress, ageMs }
}

/** A task that exists for all we know, and was never seen. */
const UNSEEN_TASK: TaskState = { kind: 'running', status: 'unknown', progress: 0 }

/** Whatever happens first ends the wait, and everything that was set up for it is taken down then. */
function waitForEnd(
  { poller, drain, now }: Pick<RunsDeps, 'poller' | 'drain' | 'now'>,
  context: RequestContext,
  awaited: AwaitedTask,
  options: WaitOptions,
): Promise<RunOutcome> {
  const { taskID, createdAtMs, isNew, isOwn = isNew } = awaited
  return new Promise((resolve, reject) => {
    let state: TaskState | undefined = isNew ? NEW_TASK : undefined
    let setback: Failure | undefined
    const undo: (() => void)[] = []
    let over = false
    const finish = (settle: () => void) => {
      if (over) return
      over = true
      for (const step of undo) step()
      settle()
    }
    const fail = (failure: Failure) => finish(() => reject(new GatewayError(failure, { taskID })))
    const stop = () => {
      // A task of which nothing was ever seen may not exist: then what went wrong is the answer.
      if (state === undefined && setback !== undefined) fail(setback)
      else finish(() => resolve(toRunEnd(taskID, state ?? UNSEEN_TASK, now() - createdAtMs)))
    }

    // Of a task not seen yet there is nothing to tell: the first look is waited for, however short the wait.
    let late = false
    const onDeadline = () => {
      late = true
      if (state !== undefined || setback !== undefined) stop()
    }
    const timer = setTimeout(onDeadline, options.waitMs)
    undo.push(() => clearTimeout(timer))
    context.signal.addEventListener('abort', stop, { once: true })
    undo.push(() => context.signal.removeEventListener('abort', stop))
    undo.push(drain.onBegin(stop))
    const leave = poller.join(
      { credential: context.caller.credential, taskID, createdAtMs, isNew, isOwn },
      {
        onState: (seen) => {
          state = seen
          options.onState?.(seen)
          if (late || seen.kind !== 'running') stop()
        },
        onFailure: fail,
        onRetry: (failure) => {
          setback = failure
          if (late) stop()
        },
      },
    )
    undo.push(leave)
    if (over) leave()
    if (context.signal.aborted) stop()
  })
}
