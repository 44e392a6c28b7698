import type { PageQuery } from '../tasks/task-listings.ts'
import { ListBackoff } from './list-backoff.ts'
import { ListSweep } from './list-sweep.ts'
import type { PollBudget } from './poll-budget.ts'
import { LONGEST_LISTED_MS, type PollSchedule } from './poll-schedule.ts'
import type { PolledTask } from './polled-task.ts'

/** A request to make now: for one task by its id, or for a page of the list. */
type PollStep = { kind: 'task'; task: PolledTask } | { kind: 'page'; query: PageQuery }

/** Every 16th request is a check by id, even when others are more urgent. */
const CHECK_SHARE = 16
/** Results fetched at the same time. */
const MAX_FETCHES = 32
/** Between two sweeps for tasks that wait for their poll by id. */
const BACKLOG_SWEEP_MS = 1_000

/**
 * Which request is made next with one credential: a poll of a task by its id, or a page of the list when there
 * are many tasks. Decides for a moment that is passed in, in milliseconds by the clock of durations; makes no request and
 * sets no timer. Each request that it returns counts as begun.
 */
export class PollPlan {
  readonly #schedule: PollSchedule
  readonly #budget: PollBudget
  readonly #listBackoff = new ListBackoff()
  #sweep: ListSweep | undefined
  #sweptAtMs = 0
  #sweepTookMs = 0
  #fetches = 0
  #turn = 0

  constructor(schedule: PollSchedule, budget: PollBudget) {
    this.#schedule = schedule
    this.#budget = budget
  }

  /** The next request to make now; undefined when there is no reason for one, or no budget. */
  next(nowMs: number): PollStep | undefined {
    if (this.#budget.readyAtMs(nowMs) > nowMs) return undefined
    const step = this.#chooseStep(nowMs)
    if (step !== undefined) this.#budget.take(nowMs)
    return step
  }

  /** When to ask for the next request, not before `nowMs`; infinity when there is nothing to wait for. */
  wakeAtMs(nowMs: number): number {
    if (this.#schedule.tasks.size === 0) return Number.POSITIVE_INFINITY
    return Math.max(this.#hasWork() ? nowMs : this.#nextDueMs(), this.#budget.readyAtMs(nowMs))
  }

  /** The next task whose result is to be fetched now, outside the budget; `endFetch` is called afterwards. */
  beginFetch(): PolledTask | undefined {
    const task = this.#schedule.firstEnded
    const limit = Math.ceil(MAX_FETCHES * this.#budget.share)
    if (task === undefined || this.#fetches >= limit || this.#budget.isPaused) return undefined
    this.#fetches += 1
    this.#schedule.take(task)
    return task
  }

  endFetch(): void {
    this.#fetches -= 1
  }

  /** The page was read. `shown`: how many of the polled tasks it had. */
  endPage(shown: number, nextToken: string | undefined, nowMs: number): void {
    this.#listBackoff.succeeded(shown)
    this.#sweep?.endPage(shown, nextToken)
    if (this.#sweep?.isOver) this.#endSweep(nowMs)
  }

  /** The page could not be read. */
  failPage(nowMs: number): void {
    this.#listBackoff.failed(nowMs)
    if (this.#sweep !== undefined) this.#endSweep(nowMs)
  }

  /** The last task has left, so the page under way, if any, is of no use. */
  dropSweep(): void {
    this.#sweep = undefined
  }

  /** Pages and polls by id take turns; a check goes before both now and then. */
  #chooseStep(nowMs: number): PollStep | undefined {
    const schedule = this.#schedule
    // In an outage no result is fetched outside the budget, but a fetch may be the probe.
    if (this.#budget.isPaused && schedule.firstEnded !== undefined) return this.#pollTask(schedule.firstEnded)
    this.#beginSweep(nowMs)
    const sweep = this.#sweep?.isPageUnderWay ? undefined : this.#sweep
    const byID = schedule.firstByID
    this.#turn += 1
    const isCheckNext = this.#turn % CHECK_SHARE === 0 || (sweep === undefined && byID === undefined)
    if (isCheckNext && schedule.nextCheckMs() <= nowMs) return this.#pollTask(schedule.takeCheck())
    const isPageNext = this.#turn % 2 === 0 || byID === undefined
    if (isPageNext && sweep !== undefined) return { kind: 'page', query: sweep.beginPage() }
    return this.#pollTask(byID)
  }

  #pollTask(task: PolledTask | undefined): PollStep | undefined {
    if (task === undefined) return undefined
    this.#schedule.take(task)
    return { kind: 'task', task }
  }

  /** What is due is sought in the list, if there are many tasks, or is polled by id. */
  #beginSweep(nowMs: number): void {
    if (this.#sweep !== undefined) return
    const schedule = this.#schedule
    // The list may show some of those too that wait long for their poll by id.
    const isBacklogDue = schedule.hasBacklog && nowMs >= this.#sweptAtMs + BACKLOG_SWEEP_MS
    if (!isBacklogDue && schedule.nextDueMs() > nowMs) return
    this.#sweptAtMs = nowMs
    if (schedule.isMany && this.#listBackoff.shouldTryList(nowMs)) {
      // What falls due while pages are read is sought with the rest, or each page would begin a new sweep.
      this.#sweep = new ListSweep(schedule.seekDue(nowMs + this.#sweepTookMs, isBacklogDue))
    } else schedule.pollDueByID(nowMs)
  }

  #endSweep(nowMs: number): void {
    this.#sweep = undefined
    this.#sweepTookMs = Math.min(nowMs - this.#sweptAtMs, LONGEST_LISTED_MS)
    this.#schedule.pollSoughtByID()
  }

  #hasWork(): boolean {
    const isPageWanted = this.#sweep !== undefined && !this.#sweep.isPageUnderWay
    const isProbeWanted = this.#budget.isPaused && this.#schedule.firstEnded !== undefined
    return this.#schedule.firstByID !== undefined || isPageWanted || isProbeWanted
  }

  #nextDueMs(): number {
    // While a sweep goes on, what falls due waits for the next one.
    const dueMs = this.#sweep === undefined ? this.#schedule.nextDueMs() : Number.POSITIVE_INFINITY
    return Math.min(dueMs, this.#schedule.nextCheckMs())
  }
}
