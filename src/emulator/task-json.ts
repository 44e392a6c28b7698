import { toUUID } from './packages.ts'
import { type ByteText, toJson, withRawMember } from './raw-json.ts'
import type { Task, TaskState } from './task-state.ts'

/** How tasks are written: `progressScale` is what 100 % is; `status` replaces the real one. */
export type TaskView = { readonly progressScale: 1 | 100; readonly status: string | undefined }

/** A task as lists and `detail` show it. */
export function listItem(task: Task, state: TaskState, view: TaskView): ByteText {
  const { block } = task
  const item = {
    taskID: task.taskID,
    taskType: 'user',
    ownerID: toUUID(task.identity),
    subscriptionID: null,
    packageID: block.packageID,
    blockName: block.blockName,
    status: view.status ?? state.status,
    progress: scaled(state, view),
    workload: 'serverless',
    workloadID: block.workloadID,
    resultURL: state.outcome?.status === 'success' ? state.outcome.resultURL : null,
    failedMessage: state.outcome?.status === 'failed' ? state.outcome.error : null,
    createdAt: task.createdAt,
    updatedAt: state.updatedAt,
    startTime: state.startTime,
    endTime: state.endTime,
  }
  return withRawMember(toJson(item), 'schedulerPayload', `{"inputValues":${task.inputs}}`)
}

export function latestItem(task: Task, state: TaskState, view: TaskView): ByteText {
  return toJson({
    taskID: task.taskID,
    workloadID: task.block.workloadID,
    status: view.status ?? state.status,
    progress: scaled(state, view),
    createdAt: task.createdAt,
    startTime: state.startTime,
    endTime: state.endTime,
  })
}

export function resultOf(state: TaskState, view: TaskView): ByteText {
  const { outcome } = state
  if (outcome === undefined || view.status !== undefined) {
    return toJson({ status: view.status ?? state.status, progress: scaled(state, view) })
  }
  if (outcome.status === 'failed') return toJson(outcome)
  const result = toJson({ status: 'success', resultURL: outcome.resultURL })
  return outcome.resultData === undefined ? result : withRawMember(result, 'resultData', outcome.resultData)
}

function scaled(state: TaskState, view: TaskView): number {
  return view.progressScale === 1 ? state.progress / 100 : state.progress
}
