import type { TaskState } from '../domain/task.ts'

/** One progress notification: 0 to 100, and a line for people. */
type Progress = { progress: number; total: 100; message: string }

/** Progress never reaches this before the task has ended. */
const ALMOST_DONE = 99
/** How far a change of status alone moves progress, which must never stand still. */
const SMALL_STEP = 0.1

/**
 * Turns the states of one task into progress that only ever grows, as MCP wants it; undefined when there is
 * nothing new. Upstream counts to 1 or to 100 and does not say which: a fraction is taken as the former.
 */
export function createProgress(): (taskID: string, state: TaskState) => Progress | undefined {
  let last = -1
  let lastStatus = ''
  return (taskID, state) => {
    const isOver = state.kind !== 'running'
    const status = isOver ? state.kind : state.status
    const percent = isOver ? 100 : Math.min(toPercent(state.progress), ALMOST_DONE)
    const step = status === lastStatus ? 0 : SMALL_STEP
    const progress = toTenths(Math.max(percent, last < 0 ? 0 : last + step))
    if (progress <= last) return undefined
    last = progress
    lastStatus = status
    return { progress, total: 100, message: `Task ${taskID} ${status}` }
  }
}

function toPercent(progress: number): number {
  return progress > 0 && progress < 1 ? progress * 100 : Math.max(progress, 0)
}

function toTenths(value: number): number {
  return Math.round(value * 10) / 10
}
