import type { TaskApi } from '../../cloud/task-api.ts'
import type { Limits } from '../callers/caller-limits.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { CreatedTask } from '../idempotency/create-operation.ts'
import type { TaskPoller } from '../polling/task-poller.ts'
import type { CreateTask, PreparedRun } from './create-task.ts'
import { type RunOutcome, toRunOutcome } from './run-outcome.ts'
import { type WaitOptions, waitForEnd } from './wait-for-end.ts'
import { type WaitSlots, withWaitSlot } from './wait-slots.ts'

/** Makes a run out of what a caller sent: reads its body, sends its files. Called once. */
export type PrepareRun = () => Promise<PreparedRun>

type CreateOptions = {
  /** `prepare` sends files upstream, so the caller must have a create left before it begins. */
  sendsFiles?: boolean
}

type RunOptions = CreateOptions &
  WaitOptions & {
    /** Called once the task exists, before it is waited for. */
    onCreated?: (task: CreatedTask) => void
  }

/**
 * The use cases around a run, each with all its steps in their order: HTTP, named functions, the native paths
 * and MCP are doors to them. All throw `GatewayError`, with the task's id once there is a task.
 */
export type Runs = {
  /** Creates a task and does not wait for it. */
  create(context: RequestContext, prepare: PrepareRun, options?: CreateOptions): Promise<CreatedTask>
  /** Takes a slot among the requests that wait, creates a task, and waits for its end. */
  run(context: RequestContext, prepare: PrepareRun, options: RunOptions): Promise<RunOutcome>
  /** Takes a slot and waits for the end of a task that exists. */
  follow(context: RequestContext, taskID: string, options: WaitOptions): Promise<RunOutcome>
  /** The state of a task now, from one request. */
  poll(context: RequestContext, taskID: string): Promise<RunOutcome>
}

type RunsDeps = {
  api: Pick<TaskApi, 'result'>
  createTask: CreateTask
  owners: Pick<Owners, 'require'>
  poller: TaskPoller
  waitSlots: WaitSlots
  drain: Drain
  limits: Limits
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
}

export function createRuns(deps: RunsDeps): Runs {
  const { api, owners, limits } = deps
  /** The files would be sent in vain if the create were refused. */
  const requireCreate = ({ caller }: RequestContext, { sendsFiles }: CreateOptions) => {
    if (sendsFiles) limits.requireCreate(caller)
  }
  return {
    create: async (context, prepare, options = {}) => {
      requireCreate(context, options)
      return deps.createTask(context, await prepare())
    },
    run: async (context, prepare, options) => {
      requireCreate(context, options)
      return withWaitSlot(deps, context.caller, async () => {
        const task = await createAwaited(deps, context, prepare, options)
        const { taskID, finished, saveOutcome } = task
        if (finished !== undefined) return { kind: 'finished', taskID, task: finished }
        // The creator of a task is its owner, recorded or not.
        const outcome = await waitForEnd(deps, context, task, options)
        if (outcome.kind === 'finished') saveOutcome(outcome.task)
        return outcome
      })
    },
    follow: (context, taskID, options) =>
      withWaitSlot(deps, context.caller, async () => {
        await owners.require(context, taskID)
        // When it was created is not known: polls begin as if it were now.
        const task = { taskID, ageMs: 0, isNew: false, isOwn: false }
        return waitForEnd(deps, context, task, options)
      }),
    poll: async (context, taskID) => {
      await owners.require(context, taskID)
      const { state } = await api.result(toCallContext(context), taskID)
      return toRunOutcome(taskID, state, 0)
    },
  }
}

/** Creates a task to wait for. While ten thousand wait only this is kept, not upstream's answer to the create. */
async function createAwaited(
  { createTask, now }: Pick<RunsDeps, 'createTask' | 'now'>,
  context: RequestContext,
  prepare: PrepareRun,
  { onCreated }: RunOptions,
) {
  const created = await createTask(context, await prepare())
  onCreated?.(created)
  const { taskID, createdAtMs, isReplayed, finished, saveOutcome } = created
  // Of a task of another day the wall clock alone knows the age; from here on it is not asked any more.
  const ageMs = isReplayed ? Math.max(0, now() - createdAtMs) : 0
  return { taskID, ageMs, isNew: !isReplayed, isOwn: true, finished, saveOutcome }
}
