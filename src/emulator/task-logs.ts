import type { Task, TaskState } from './task-state.ts'

const LINES_A_PAGE = 10
const MS_A_LINE = 1000

/** One page of a task's log, from page 1: that it was created, a line for each second it ran, how it ended. */
export function logsPage(task: Task, state: TaskState, now: number, page: number): Record<string, string>[] {
  const startTime = state.startTime
  const ticks =
    startTime === null ? 0 : Math.ceil(Math.max(0, (state.endTime ?? now) - startTime) / MS_A_LINE)
  const ended = state.endTime === null ? 0 : 1
  const total = 1 + ticks + ended
  const lines: Record<string, string>[] = []
  for (let at = (page - 1) * LINES_A_PAGE; at < Math.min(page * LINES_A_PAGE, total); at++) {
    if (at === 0) lines.push(line(task.createdAt, `task created for ${task.block.blockName}`))
    else if (at <= ticks) lines.push(line((startTime ?? 0) + (at - 1) * MS_A_LINE, `running, second ${at}`))
    else lines.push(line(state.endTime ?? now, endOf(state)))
  }
  return lines
}

function line(at: number, message: string): Record<string, string> {
  return { time: new Date(at).toISOString(), level: 'info', message }
}

function endOf({ outcome }: TaskState): string {
  return outcome?.status === 'failed' ? `failed: ${outcome.error ?? 'no message'}` : 'success'
}
