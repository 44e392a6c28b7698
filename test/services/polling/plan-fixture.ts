import { createKeyCredential } from '../../../src/cloud/credential.ts'
import type { Failure } from '../../../src/errors.ts'
import { PollBudget } from '../../../src/services/polling/poll-budget.ts'
import { PollPlan } from '../../../src/services/polling/poll-plan.ts'
import { PollSchedule } from '../../../src/services/polling/poll-schedule.ts'
import { createPolledTask, type PolledTask } from '../../../src/services/polling/polled-task.ts'

const OUTAGE: Failure = { code: 'upstream_unavailable', retryAfterSeconds: 0 }
/** The moment at which each fixture begins, in milliseconds. */
export const START_MS = 1_000_000
/** The middle of every jitter: intervals are what `nextPollDelayMs` says, pauses a tenth longer. */
const middle = () => 0.5

/** The plan of one credential without its timer and requests. Times are milliseconds since `START_MS`. */
export class PlanFixture {
  readonly schedule: PollSchedule
  readonly budget: PollBudget
  readonly plan: PollPlan

  constructor(pollRate = 1_000, random: () => number = middle) {
    this.schedule = new PollSchedule(random)
    this.budget = new PollBudget(pollRate, START_MS, random)
    this.plan = new PollPlan(this.schedule, this.budget)
  }

  add(count: number, isNew: boolean, ageMs = 0): PolledTask[] {
    const from = this.schedule.tasks.size
    return Array.from({ length: count }, (_, index) => {
      const credential = createKeyCredential('a-key')
      const target = { credential, taskID: `t${from + index}`, ageMs, isNew }
      const task = createPolledTask(target, START_MS)
      this.schedule.add(task, START_MS)
      return task
    })
  }

  /** All requests that are made at that moment: task ids, and `page` with the token of each page. */
  requests(atMs: number): string[] {
    const made: string[] = []
    const next = () => this.plan.next(START_MS + atMs)
    for (let step = next(); step !== undefined; step = next()) {
      made.push(step.kind === 'task' ? step.task.taskID : `page ${step.query.nextToken ?? 'first'}`)
    }
    return made
  }

  fetches(): string[] {
    const begun: string[] = []
    for (let task = this.plan.beginFetch(); task !== undefined; task = this.plan.beginFetch()) {
      begun.push(task.taskID)
    }
    return begun
  }

  wakeAtMs(atMs: number): number {
    return this.plan.wakeAtMs(START_MS + atMs) - START_MS
  }

  polled(task: PolledTask, atMs: number): void {
    this.schedule.pollAgain(task, START_MS + atMs)
  }

  /** The page under way shows these tasks. */
  showed(tasks: readonly PolledTask[], hasEnded: boolean, atMs: number, nextToken?: string): void {
    for (const task of tasks) this.schedule.listed(task, hasEnded, START_MS + atMs)
    this.plan.endPage(tasks.length, nextToken, START_MS + atMs)
  }

  fail(): void {
    this.budget.failed(OUTAGE, START_MS, START_MS)
  }
}

/** The ids of the first tasks that are added. */
export const ids = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`)
