import { DueQueue } from '../../domain/due-queue.ts'
import { nextPollDelayMs } from '../../domain/polling.ts'
import type { PolledTask } from './polled-task.ts'

/** With more tasks than this the list is read, because it shows most of them for fewer requests. */
const MANY_TASKS = 20
/** Between two polls of a task in the list: shorter than by id, because a page costs little for each task. */
export const LONGEST_LISTED_MS = 1_500
/** After this many of its intervals a task is polled by id, whatever the list shows of it. */
const CHECK_INTERVALS = 2.5

/**
 * When each task of one credential is due for its next poll, and what it waits for once it is: a page of the
 * list, a poll by id, or the fetch of its result. A task whose poll is under way waits for nothing. Times are
 * milliseconds by a clock that is never set, and passed in.
 */
export class PollSchedule {
  readonly #random: () => number
  readonly #tasks = new Map<string, PolledTask>()
  /** By when the next poll of each is due, by id or in the list. */
  readonly #due = new DueQueue<PolledTask>()
  /** By when each is to be polled by id, whatever the list shows. */
  readonly #checks = new DueQueue<PolledTask>()
  /** Due, and sought in the list; no page has shown them so far. */
  readonly #sought = new Set<PolledTask>()
  /** Due, and to be polled by id: in the order in which they came. */
  readonly #byID = new Set<PolledTask>()
  /** Known to have ended; their results are to be fetched. */
  readonly #ended = new Set<PolledTask>()

  /** `random` gives numbers from 0 to 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  get tasks(): ReadonlyMap<string, PolledTask> {
    return this.#tasks
  }

  get isMany(): boolean {
    return this.#tasks.size > MANY_TASKS
  }

  /** Whether polls by id fall behind. */
  get hasBacklog(): boolean {
    return this.#byID.size > MANY_TASKS
  }

  get firstByID(): PolledTask | undefined {
    return first(this.#byID)
  }

  get firstEnded(): PolledTask | undefined {
    return first(this.#ended)
  }

  /** When the next task falls due; infinity when there is none. */
  nextDueMs(): number {
    return this.#due.peekDueMs() ?? Number.POSITIVE_INFINITY
  }

  /** When the next task is to be polled by id in spite of the list; infinity when the list is not read. */
  nextCheckMs(): number {
    return (this.isMany ? this.#checks.peekDueMs() : undefined) ?? Number.POSITIVE_INFINITY
  }

  /** A new task is due after the shortest interval, any other at once. */
  add(task: PolledTask, nowMs: number): void {
    this.#tasks.set(task.taskID, task)
    const firstPollMs = nextPollDelayMs(0, this.#random())
    // Nothing is known of a task that is not new, and it may be too old for the first pages of the list.
    if (task.isNew) this.#due.push(task, nowMs + firstPollMs)
    else this.#byID.add(task)
    this.#checks.push(task, nowMs + CHECK_INTERVALS * firstPollMs)
  }

  remove(task: PolledTask): void {
    this.#tasks.delete(task.taskID)
    this.take(task)
  }

  has(task: PolledTask): boolean {
    return this.#tasks.get(task.taskID) === task
  }

  /** The task waits for nothing any more: its poll begins, or it is not polled further. */
  take(task: PolledTask): void {
    this.#due.remove(task)
    this.#checks.remove(task)
    this.#sought.delete(task)
    this.#byID.delete(task)
    this.#ended.delete(task)
  }

  takeCheck(): PolledTask | undefined {
    const task = this.#checks.pop()
    if (task !== undefined) this.take(task)
    return task
  }

  /**
   * A poll by id is over: decides when the task is polled next. Nothing is due if it is not polled any further,
   * or waits for its result to be fetched.
   */
  pollAgain(task: PolledTask, nowMs: number): void {
    if (!this.has(task) || this.#ended.has(task)) return
    const ageMs = nowMs - task.bornAtMs
    this.#due.push(task, nowMs + nextPollDelayMs(ageMs, this.#random()))
    this.#checks.push(task, nowMs + CHECK_INTERVALS * nextPollDelayMs(ageMs, this.#random()))
  }

  /** The result of an ended task could not be fetched, but can be later. */
  fetchAgain(task: PolledTask): void {
    if (this.has(task)) this.#ended.add(task)
  }

  /**
   * A page of the list shows the task: while it runs, its next poll is put off; once it has ended, its result
   * is to be fetched. Returns false if the page is not news, because a poll by id knows or will know better.
   */
  listed(task: PolledTask, hasEnded: boolean, nowMs: number): boolean {
    const wasSought = this.#sought.delete(task)
    if (task.poll !== undefined || this.#ended.has(task)) return false
    if (!hasEnded) {
      this.#byID.delete(task)
      // No jitter: tasks that were shown together fall due together, and are shown together again.
      const delayMs = nextPollDelayMs(nowMs - task.bornAtMs, 0.5)
      this.#due.push(task, nowMs + Math.min(delayMs, LONGEST_LISTED_MS))
    } else if (!task.wasListedAsEnded) {
      task.wasListedAsEnded = true
      this.take(task)
      this.#ended.add(task)
    } else if (wasSought) this.#byID.add(task)
    return true
  }

  /** What falls due until then is to be polled by id. */
  pollDueByID(untilMs: number): void {
    this.#moveDue(untilMs, this.#byID)
  }

  /** What falls due until then, and the backlog if asked, is to be sought in the list. Returns all of it. */
  seekDue(untilMs: number, withBacklog: boolean): ReadonlySet<PolledTask> {
    if (withBacklog) for (const task of this.#byID) this.#sought.add(task)
    this.#moveDue(untilMs, this.#sought)
    return this.#sought
  }

  /** The list is read no further: what it has not shown is to be polled by id. */
  pollSoughtByID(): void {
    for (const task of this.#sought) this.#byID.add(task)
    this.#sought.clear()
  }

  #moveDue(untilMs: number, to: Set<PolledTask>): void {
    while (this.nextDueMs() <= untilMs) {
      const task = this.#due.pop()
      if (task !== undefined) to.add(task)
    }
  }
}

function first(tasks: ReadonlySet<PolledTask>): PolledTask | undefined {
  const [task] = tasks
  return task
}
