import type { Outcome } from './packages.ts'
import { fromByteText, toJson } from './raw-json.ts'
import { type Phases, stateAt, type Task, type TaskStatus } from './task-state.ts'

/** A task as tests see it. Times are epoch milliseconds, `progress` goes from 0 to 100. */
export type EmulatedTask = {
  readonly taskID: string
  readonly identity: string
  readonly packageName: string
  /** Resolved, never `latest`. */
  readonly packageVersion: string
  readonly packageID: string
  readonly workloadID: string
  readonly blockName: string
  readonly inputValues: unknown
  /** `inputValues` as they came, `{}` if there were none. */
  readonly rawInputValues: Buffer
  /** The whole body of the create. */
  readonly rawBody: Buffer
  readonly status: TaskStatus
  readonly progress: number
  readonly createdAt: number
  readonly startTime: number | null
  readonly endTime: number | null
}

/** How a task is made to end. */
export type TaskEnd =
  | { status: 'success'; resultData?: unknown; resultURL?: string | null }
  | { status: 'failed'; error: string | null }

export function toSnapshot(task: Task, now: number, phases: Phases): EmulatedTask {
  const state = stateAt(task, now, phases)
  const rawInputValues = fromByteText(task.inputs)
  return {
    taskID: task.taskID,
    identity: task.identity,
    packageName: task.block.packageName,
    packageVersion: task.block.packageVersion,
    packageID: task.block.packageID,
    workloadID: task.block.workloadID,
    blockName: task.block.blockName,
    inputValues: JSON.parse(rawInputValues.toString('utf8')),
    rawInputValues,
    rawBody: task.rawBody,
    status: state.status,
    progress: state.progress,
    createdAt: task.createdAt,
    startTime: state.startTime,
    endTime: state.endTime,
  }
}

export function toOutcome(end: TaskEnd): Outcome {
  if (end.status === 'failed') return { status: 'failed', error: end.error }
  const { resultData, resultURL = null } = end
  return {
    status: 'success',
    resultURL,
    resultData: resultData === undefined ? undefined : toJson(resultData),
  }
}
