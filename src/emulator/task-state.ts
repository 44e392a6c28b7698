import type { Outcome, PublishedBlock } from './packages.ts'
import type { ByteText } from './raw-json.ts'

/** How long a task stays in each state, in milliseconds; `runningMs` is the least time that it runs. */
export type Phases = { queuedMs: number; schedulingMs: number; scheduledMs: number; runningMs: number }

export type TaskStatus = 'queued' | 'scheduling' | 'scheduled' | 'running' | 'success' | 'failed'
export const TASK_STATUSES: readonly TaskStatus[] = [
  'queued',
  'scheduling',
  'scheduled',
  'running',
  'success',
  'failed',
]

/** A task as it is kept. Its state follows from the time: see `stateAt`. Times are epoch milliseconds. */
export type Task = {
  /** Counts up over all tasks: the order in which they were created. */
  readonly seq: number
  readonly taskID: string
  readonly identity: string
  readonly block: PublishedBlock
  /** `inputValues` as they came. */
  readonly inputs: ByteText
  readonly rawBody: Buffer
  readonly createdAt: number
  /** When it was released; undefined while its queue is paused. */
  releasedAt: number | undefined
  /** How long it runs, in milliseconds; Infinity when that is known only at its end. */
  runMs: number
  /** When it ended, if that does not follow from `runMs`. */
  endedAt: number | undefined
  outcome: Outcome | undefined
}

/** The state of a task at a moment. `progress` goes from 0 to 100. Times are epoch milliseconds. */
export type TaskState = {
  readonly status: TaskStatus
  readonly progress: number
  readonly updatedAt: number
  readonly startTime: number | null
  readonly endTime: number | null
  /** Only of a final state. */
  readonly outcome: Outcome | undefined
}

const PROGRESS_SCHEDULING = 2
const PROGRESS_SCHEDULED = 5
const PROGRESS_RUNNING = 10
const PROGRESS_LAST = 99
/** A task of unknown length gets two thirds of the way to the end in this time. */
const PROGRESS_PACE_MS = 10_000

/** The state of a task at any moment: nothing ticks, so ten thousand tasks cost no timer. */
export function stateAt(task: Task, now: number, phases: Phases): TaskState {
  const releasedAt = task.releasedAt ?? Number.POSITIVE_INFINITY
  const schedulingAt = releasedAt + phases.queuedMs
  const scheduledAt = schedulingAt + phases.schedulingMs
  const runningAt = scheduledAt + phases.scheduledMs
  const endAt = task.endedAt ?? runningAt + task.runMs
  if (now >= endAt && task.outcome !== undefined) return endedState(task.outcome, runningAt, endAt)
  if (now >= runningAt) {
    return open('running', runningProgress(now - runningAt, endAt - runningAt), runningAt, runningAt)
  }
  if (now >= scheduledAt) return open('scheduled', PROGRESS_SCHEDULED, scheduledAt, null)
  if (now >= schedulingAt) return open('scheduling', PROGRESS_SCHEDULING, schedulingAt, null)
  return open('queued', 0, task.createdAt, null)
}

function endedState(outcome: Outcome, runningAt: number, endAt: number): TaskState {
  return {
    status: outcome.status,
    progress: outcome.status === 'success' ? 100 : PROGRESS_LAST,
    updatedAt: endAt,
    startTime: Math.min(runningAt, endAt),
    endTime: endAt,
    outcome,
  }
}

function open(status: TaskStatus, progress: number, updatedAt: number, startTime: number | null): TaskState {
  return { status, progress, updatedAt, startTime, endTime: null, outcome: undefined }
}

function runningProgress(elapsedMs: number, runMs: number): number {
  const share = Number.isFinite(runMs) ? elapsedMs / runMs : 1 - Math.exp(-elapsedMs / PROGRESS_PACE_MS)
  return PROGRESS_RUNNING + Math.floor(Math.min(1, share) * (PROGRESS_LAST - PROGRESS_RUNNING))
}
