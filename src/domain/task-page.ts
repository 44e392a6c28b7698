import { digestInputs, type InputDigest } from './input-digest.ts'
import { isJsonObject } from './json.ts'
import { isTaskID } from './names.ts'

/** A task as a list shows it; undefined for what the list leaves out. Times are epoch milliseconds. */
export type ListedTask = {
  taskID: string
  hasEnded: boolean
  status: string
  progress: number
  createdAtMs: number | undefined
  packageID: string | undefined
  blockName: string | undefined
  /** Digest of the inputs when the list shows them. */
  inputs: () => InputDigest | undefined
}

/** One page of upstream's list. `nextToken` is undefined on the last page. */
export type TaskPage = { tasks: ListedTask[]; nextToken: string | undefined }

/** A page from upstream's answer; undefined when it is not one. Items that are not tasks are ignored. */
export function toTaskPage(answer: unknown): TaskPage | undefined {
  if (!isJsonObject(answer) || !Array.isArray(answer.tasks)) return undefined
  const { nextToken } = answer
  return {
    tasks: answer.tasks.map(toListedTask).filter((task) => task !== undefined),
    nextToken: typeof nextToken === 'string' && nextToken !== '' ? nextToken : undefined,
  }
}

function toListedTask(item: unknown): ListedTask | undefined {
  if (!isJsonObject(item)) return undefined
  const { taskID, status, progress, createdAt, packageID, blockName, schedulerPayload } = item
  if (typeof taskID !== 'string' || !isTaskID(taskID) || typeof status !== 'string') return undefined
  return {
    taskID,
    hasEnded: status === 'success' || status === 'failed',
    status,
    progress: typeof progress === 'number' && Number.isFinite(progress) ? progress : 0,
    createdAtMs: typeof createdAt === 'number' && Number.isFinite(createdAt) ? createdAt : undefined,
    packageID: typeof packageID === 'string' ? packageID : undefined,
    blockName: typeof blockName === 'string' ? blockName : undefined,
    inputs: () =>
      isJsonObject(schedulerPayload) && isJsonObject(schedulerPayload.inputValues)
        ? digestInputs(schedulerPayload.inputValues)
        : undefined,
  }
}
