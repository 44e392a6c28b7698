import type { TaskState } from '../../domain/task.ts'
import type { ListedTask, TaskPage } from '../../domain/task-page.ts'
import type { Failure } from '../../errors.ts'
import type { PollBudget } from './poll-budget.ts'
import { isFinal, isOutage } from './poll-failures.ts'
import type { PollPlan } from './poll-plan.ts'
import type { PollSchedule } from './poll-schedule.ts'
import { callWaiters, type PolledTask, type Waiter } from './polled-task.ts'

/** A poll of one task by its id. `isFetch`: its end was known, so the poll was made outside the budget. */
type TaskPoll = { task: PolledTask; isFetch: boolean; startedAtMs: number }

type PollResultsDeps = {
  schedule: PollSchedule
  plan: PollPlan
  budget: PollBudget
  /** How long a task that is known to exist may not be found, in milliseconds. */
  notFoundMs: number
  /** Stops the polling of a task. */
  stop(task: PolledTask): void
}

/** Applies what polls and pages of the list find out to the tasks of one credential and to their waiters. */
export class PollResults {
  readonly #deps: PollResultsDeps
  #lastOutage: Failure | undefined

  constructor(deps: PollResultsDeps) {
    this.#deps = deps
  }

  /** A waiter joins, and hears what is known so far. */
  onJoin(task: PolledTask, waiter: Waiter): void {
    if (task.state !== undefined) waiter.onState(task.state)
    else if (this.#deps.budget.isPaused && this.#lastOutage !== undefined) waiter.onRetry?.(this.#lastOutage)
  }

  onState({ task, isFetch }: TaskPoll, state: TaskState): void {
    task.missingSinceMs = undefined
    if (isFetch && state.kind === 'running') this.#deps.budget.charge()
    this.#report(task, state)
  }

  onPollError({ task, isFetch, startedAtMs }: TaskPoll, failure: Failure, nowMs: number): void {
    const { schedule, budget, notFoundMs, stop } = this.#deps
    if (failure.code === 'not_found') task.missingSinceMs ??= nowMs
    if (isOutage(failure)) {
      if (isFetch) schedule.fetchAgain(task)
      this.#onOutage(failure, startedAtMs, nowMs)
    } else budget.succeeded()
    const missingForMs = nowMs - (task.missingSinceMs ?? nowMs)
    const isMissing = !isKnownToExist(task) || missingForMs >= notFoundMs
    if (!isFinal(failure, isMissing)) {
      callWaiters(task.waiters, (waiter) => waiter.onRetry?.(failure))
      return
    }
    stop(task)
    callWaiters(task.waiters, (waiter) => waiter.onFailure(failure))
  }

  onPage(page: TaskPage, nowMs: number): void {
    const { schedule, plan } = this.#deps
    let shown = 0
    for (const listed of page.tasks) {
      const task = schedule.tasks.get(listed.taskID)
      if (task === undefined) continue
      shown += 1
      const isNews = schedule.listed(task, listed.hasEnded, nowMs)
      // How a task has ended is for its result to say.
      if (isNews && !listed.hasEnded) this.#report(task, toRunning(listed, task.state))
    }
    plan.endPage(shown, page.nextToken, nowMs)
  }

  onPageError(failure: Failure, startedAtMs: number, nowMs: number): void {
    const { plan, budget } = this.#deps
    plan.failPage(nowMs)
    // A list that is refused or can't be read says nothing about the tasks: they are polled by id.
    if (isOutage(failure)) this.#onOutage(failure, startedAtMs, nowMs)
    else budget.succeeded()
  }

  #report(task: PolledTask, state: TaskState): void {
    task.state = state
    // Stopped before any waiter is called: one that joins from now on begins a new polling.
    if (state.kind !== 'running') this.#deps.stop(task)
    callWaiters(task.waiters, (waiter) => waiter.onState(state))
  }

  /**
   * All polling with this credential waits for one probe. Waiters for a task that was never seen are called,
   * because its turn may come long after their time is over.
   */
  #onOutage(failure: Failure, startedAtMs: number, nowMs: number): void {
    this.#lastOutage = failure
    this.#deps.budget.failed(failure, startedAtMs, nowMs)
    for (const { state, waiters } of this.#deps.schedule.tasks.values()) {
      if (state === undefined) callWaiters(waiters, (waiter) => waiter.onRetry?.(failure))
    }
  }
}

/** The last state again when nothing has changed: ten thousand tasks are shown again and again. */
function toRunning({ status, progress }: ListedTask, last: TaskState | undefined): TaskState {
  const isSame = last?.kind === 'running' && last.status === status && last.progress === progress
  return isSame ? last : { kind: 'running', status, progress }
}

/** Whether upstream not knowing the task may pass. */
function isKnownToExist({ isOwn, state }: PolledTask): boolean {
  return isOwn || state !== undefined
}
