import type { PageQuery } from '../tasks/list-scan.ts'
import type { PolledTask } from './polled-task.ts'

/** Upstream's largest page. */
const PAGE_SIZE = 100
/** So few are asked for by id rather than looked for on another page. */
const FEW_LEFT = 2
/** From so many on it is worth while to read the list of running tasks too. */
const MANY_LEFT = 10
/** PolledTask tasks expected of a page before one was read; how much is remembered of it; below which reading ends. */
const FIRST_YIELD = 4
const YIELD_MEMORY = 0.8
const LEAST_YIELD = 0.6

/**
 * One walk through the task list, page after page, in search of the tasks that are due: first the list as
 * it comes, then that of running tasks. It ends when enough were found or pages bring too little.
 */
export class ListSweep {
  /** Due, and not shown so far. */
  readonly #sought: Set<PolledTask>
  #status: 'running' | undefined
  #nextToken: string | undefined
  #yield = FIRST_YIELD
  #shown = 0
  isPageUnderWay = false
  isOver = false

  constructor(sought: Set<PolledTask>) {
    this.#sought = sought
  }

  get query(): PageQuery {
    return { size: PAGE_SIZE, nextToken: this.#nextToken, status: this.#status }
  }

  /** The tasks that no page has shown. */
  get left(): ReadonlySet<PolledTask> {
    return this.#sought
  }

  /** A page has shown a watched task; says whether it was sought. */
  note(watched: PolledTask): boolean {
    this.#shown += 1
    return this.#sought.delete(watched)
  }

  /** The task need not be sought any more. */
  forget(watched: PolledTask): void {
    this.#sought.delete(watched)
  }

  /** A page was read; decides whether another is worth its request. */
  turnPage(nextToken: string | undefined): void {
    this.#yield = YIELD_MEMORY * this.#yield + (1 - YIELD_MEMORY) * this.#shown
    this.#shown = 0
    this.#nextToken = nextToken
    const isExhausted = nextToken === undefined || this.#yield < LEAST_YIELD
    if (this.#sought.size <= FEW_LEFT) this.isOver = true
    else if (isExhausted) this.#endList()
  }

  #endList(): void {
    if (this.#status !== undefined || this.#sought.size < MANY_LEFT) {
      this.isOver = true
      return
    }
    this.#status = 'running'
    this.#nextToken = undefined
    this.#yield = FIRST_YIELD
  }
}
