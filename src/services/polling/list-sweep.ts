import type { PageQuery } from '../tasks/task-listings.ts'
import type { PolledTask } from './polled-task.ts'

/** Upstream's largest page. */
const PAGE_SIZE = 100
/** Up to this many tasks are polled by id, because another page costs more. */
const FEW_LEFT = 2
/** From this many tasks on, the list of running tasks is read too. */
const MANY_LEFT = 10
/** Polled tasks expected of a page before one was read. */
const FIRST_YIELD = 4
/** How much the pages before weigh in the expected yield. */
const YIELD_MEMORY = 0.8
/** A list that is expected to yield less than this a page is not read on. */
const LEAST_YIELD = 0.6

/**
 * One walk through the task list, page after page, in search of the tasks that are due: first the list as
 * it comes, then that of running tasks. It ends when enough were found or pages bring too little.
 */
export class ListSweep {
  /** What is due and was not shown so far; tasks are taken out by the owner of the set. */
  readonly #sought: ReadonlySet<PolledTask>
  #status: 'running' | undefined
  #nextToken: string | undefined
  #yield = FIRST_YIELD
  #isPageUnderWay = false
  #isOver = false

  constructor(sought: ReadonlySet<PolledTask>) {
    this.#sought = sought
  }

  get isPageUnderWay(): boolean {
    return this.#isPageUnderWay
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The next page to read. */
  beginPage(): PageQuery {
    this.#isPageUnderWay = true
    return { size: PAGE_SIZE, nextToken: this.#nextToken, status: this.#status }
  }

  /** The page was read. `shown`: how many polled tasks it had. Decides whether another is worth its request. */
  endPage(shown: number, nextToken: string | undefined): void {
    this.#isPageUnderWay = false
    this.#yield = YIELD_MEMORY * this.#yield + (1 - YIELD_MEMORY) * shown
    this.#nextToken = nextToken
    const isExhausted = nextToken === undefined || this.#yield < LEAST_YIELD
    if (this.#sought.size <= FEW_LEFT) this.#isOver = true
    else if (isExhausted) this.#endList()
  }

  #endList(): void {
    if (this.#status !== undefined || this.#sought.size < MANY_LEFT) {
      this.#isOver = true
      return
    }
    this.#status = 'running'
    this.#nextToken = undefined
    this.#yield = FIRST_YIELD
  }
}
