import type { FinishedTask, TaskState } from '../../domain/task.ts'

/**
 * How a wait for a run ends; that its time is over is one of its ends. `ageMs`: how long the task has run, as
 * far as we know, in milliseconds.
 */
export type RunOutcome =
  | { kind: 'finished'; taskID: string; task: FinishedTask }
  | { kind: 'pending'; taskID: string; status: string; progress: number; ageMs: number }

/** The outcome of a wait that ends with this state; `ageMs` as in `RunOutcome`. */
export function toRunOutcome(taskID: string, state: TaskState, ageMs: number): RunOutcome {
  if (state.kind !== 'running') return { kind: 'finished', taskID, task: state }
  return { kind: 'pending', taskID, status: state.status, progress: state.progress, ageMs }
}
