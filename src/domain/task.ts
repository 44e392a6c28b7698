import { isJsonObject, type JsonObject, memberBytes } from './json.ts'

/**
 * The state of a task. An unknown status means that it still runs. `progress` is as upstream gave it, 0 to 1
 * or 0 to 100. A success keeps upstream's own bytes, so that no number changes on its way.
 */
export type TaskState =
  | { kind: 'running'; status: string; progress: number }
  | { kind: 'success'; resultURL: Buffer; resultData: Buffer | undefined }
  | { kind: 'failed'; message: string; quota: boolean }

export type FinishedTask = Exclude<TaskState, { kind: 'running' }>

export type FailedTask = Extract<TaskState, { kind: 'failed' }>

/** The state of a task whose create was just answered. */
export const NEW_TASK: TaskState = { kind: 'running', status: 'queued', progress: 0 }

const NULL = Buffer.from('null')

/** The longest message of a failed task that is passed on, in characters. */
const MAX_MESSAGE_LENGTH = 16 * 1024

const QUOTA_WORDS = /insufficient|quota|balance|credit|余额|点数|费用/i

/** A task's state from upstream's TaskResult; undefined when the answer is not a TaskResult. */
export function toTaskState(answer: JsonObject): TaskState | undefined {
  const { status, progress, error } = answer.value
  if (typeof status !== 'string' || status === '') return undefined
  if (status === 'success') {
    return {
      kind: 'success',
      resultURL: memberBytes(answer, 'resultURL') ?? NULL,
      resultData: memberBytes(answer, 'resultData'),
    }
  }
  if (status === 'failed') return toFailedTask(error)
  return {
    kind: 'running',
    status,
    progress: typeof progress === 'number' && Number.isFinite(progress) ? progress : 0,
  }
}

/** A failed task from its error upstream, which may be a text, an object with a message, or missing. */
function toFailedTask(error: unknown): FailedTask {
  const said = typeof error === 'string' ? error : isJsonObject(error) ? error.message : undefined
  const message = typeof said === 'string' && said !== '' ? cut(said) : 'The task failed.'
  return { kind: 'failed', message, quota: QUOTA_WORDS.test(message) }
}

/** Cuts a message, but not inside a surrogate pair. */
function cut(text: string): string {
  return text.slice(0, MAX_MESSAGE_LENGTH).replace(/[\ud800-\udbff]$/, '')
}

type SucceededTask = Extract<TaskState, { kind: 'success' }>

const successBodies = new WeakMap<SucceededTask, Buffer>()

/**
 * The answer of a run that succeeded, as JSON: upstream's bytes under the gateway's four names. All who wait for a task
 * are given the same state, and share one body: a hundred readers of a large result must not cost a hundred of it.
 */
export function toSuccessBody(taskID: string, task: SucceededTask): Buffer {
  let body = successBodies.get(task)
  if (body === undefined) {
    body = buildSuccessBody(taskID, task)
    successBodies.set(task, body)
  }
  return body
}

function buildSuccessBody(taskID: string, task: SucceededTask): Buffer {
  const parts = [
    Buffer.from(`{"taskID":${JSON.stringify(taskID)},"status":"success","resultURL":`),
    task.resultURL,
  ]
  if (task.resultData !== undefined) parts.push(Buffer.from(',"resultData":'), task.resultData)
  parts.push(Buffer.from('}'))
  return Buffer.concat(parts)
}
