import type { Credential } from '../../cloud/credential.ts'
import { toFailure } from '../../errors.ts'
import type { PageQuery, ReadPage } from '../tasks/task-listings.ts'
import { PollBudget } from './poll-budget.ts'
import { PollPlan } from './poll-plan.ts'
import { PollResults } from './poll-results.ts'
import { PollSchedule } from './poll-schedule.ts'
import {
  createPolledTask,
  type PolledTask,
  type PollTarget,
  type PollTask,
  type Waiter,
} from './polled-task.ts'

export type PollerDeps = {
  pollTask: PollTask
  readPage: ReadPage
  /** Polls of running tasks, a second and credential. */
  pollRate: number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  random: () => number
  /** How long a task that the gateway created may not be found, in milliseconds. */
  notFoundMs: number
}

/**
 * All polling with one credential: it owns the timer and makes the requests.
 * - `PollSchedule` decides when each task is due for its next poll,
 * - `PollPlan` which request is made next,
 * - `PollResults` what comes of it.
 */
export class CredentialPoller {
  readonly #credential: Credential
  readonly #deps: PollerDeps
  readonly #budget: PollBudget
  readonly #schedule: PollSchedule
  readonly #plan: PollPlan
  readonly #results: PollResults
  #page = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(credential: Credential, deps: PollerDeps) {
    const { pollRate, monotonicNow, random, notFoundMs } = deps
    this.#credential = credential
    this.#deps = deps
    this.#budget = new PollBudget(pollRate, monotonicNow(), random)
    this.#schedule = new PollSchedule(random)
    this.#plan = new PollPlan(this.#schedule, this.#budget)
    this.#results = new PollResults({
      schedule: this.#schedule,
      plan: this.#plan,
      budget: this.#budget,
      notFoundMs,
      stop: (task) => this.#stop(task),
    })
  }

  /** How many tasks are polled. */
  get size(): number {
    return this.#schedule.tasks.size
  }

  /** Returns what takes the waiter out again; a task without waiters is not polled. */
  join(target: PollTarget, waiter: Waiter): () => void {
    const task = this.#schedule.tasks.get(target.taskID) ?? this.#begin(target)
    task.waiters.add(waiter)
    this.#results.onJoin(task, waiter)
    return () => this.#leave(task, waiter)
  }

  close(): void {
    for (const task of [...this.#schedule.tasks.values()]) this.#stop(task)
  }

  #begin(target: PollTarget): PolledTask {
    const nowMs = this.#deps.monotonicNow()
    const task = createPolledTask(target, nowMs)
    this.#schedule.add(task, nowMs)
    this.#setTimer()
    return task
  }

  #leave(task: PolledTask, waiter: Waiter): void {
    task.waiters.delete(waiter)
    if (task.waiters.size === 0 && this.#schedule.has(task)) this.#stop(task)
  }

  #stop(task: PolledTask): void {
    this.#schedule.remove(task)
    task.poll?.abort()
    if (this.size > 0) return
    clearTimeout(this.#timer)
    this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#page.abort()
    this.#plan.dropSweep()
  }

  /** Sets the timer for the next request, unless it is set for an earlier moment already. */
  #setTimer(): void {
    const nowMs = this.#deps.monotonicNow()
    const atMs = this.#plan.wakeAtMs(nowMs)
    if (atMs >= this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    this.#timer = setTimeout(() => this.#makeRequests(), Math.ceil(atMs - nowMs))
  }

  /** Makes every request that is to be made now. */
  #makeRequests(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#deps.monotonicNow()
    for (let step = this.#plan.next(nowMs); step !== undefined; step = this.#plan.next(nowMs)) {
      if (step.kind === 'page') void this.#readPage(step.query)
      else void this.#pollTask(step.task, false)
    }
    this.#fetchResults()
    this.#setTimer()
  }

  #fetchResults(): void {
    for (let task = this.#plan.beginFetch(); task !== undefined; task = this.#plan.beginFetch()) {
      void this.#pollTask(task, true)
    }
  }

  async #pollTask(task: PolledTask, isFetch: boolean): Promise<void> {
    const { monotonicNow, pollTask } = this.#deps
    const poll = { task, isFetch, startedAtMs: monotonicNow() }
    const cancel = new AbortController()
    task.poll = cancel
    try {
      const state = await pollTask(this.#credential, task.taskID, cancel.signal)
      task.poll = undefined
      this.#budget.succeeded()
      this.#results.onState(poll, state)
    } catch (error) {
      task.poll = undefined
      if (cancel.signal.aborted) this.#budget.abandoned()
      else this.#results.onPollError(poll, toFailure(error), monotonicNow())
    }
    this.#schedule.pollAgain(task, monotonicNow())
    if (isFetch) this.#plan.endFetch()
    // This may have been the probe that ended an outage: results that waited for that have no timer.
    this.#fetchResults()
    this.#setTimer()
  }

  async #readPage(query: PageQuery): Promise<void> {
    const { monotonicNow, readPage } = this.#deps
    const startedAtMs = monotonicNow()
    const cancel = new AbortController()
    this.#page = cancel
    try {
      const page = await readPage(this.#credential, query, cancel.signal)
      this.#budget.succeeded()
      if (!cancel.signal.aborted) this.#results.onPage(page, monotonicNow())
    } catch (error) {
      if (cancel.signal.aborted) this.#budget.abandoned()
      else this.#results.onPageError(toFailure(error), startedAtMs, monotonicNow())
    }
    // All waiters have left. One that has joined since may have found a probe under way, and set no timer.
    if (cancel.signal.aborted) this.#setTimer()
    else this.#makeRequests()
  }
}
