/** How long the list is not read after it failed, in milliseconds: doubled with each failure in a row. */
const PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 60_000
/** The list is useless after this many pages in a row with next to none of the polled tasks. */
const USELESS_PAGES = 3
/** A useless list is tried every 16th time. */
const TRY_AGAIN = 16

/** Whether the task list is worth reading: not while it fails, and seldom when it shows few polled tasks. */
export class ListBackoff {
  #failures = 0
  #pausedUntilMs = 0
  #uselessPages = 0

  /** To be called once each time that tasks fall due: it counts the times. */
  shouldTryList(nowMs: number): boolean {
    if (nowMs < this.#pausedUntilMs) return false
    if (this.#uselessPages < USELESS_PAGES) return true
    this.#uselessPages += 1
    return this.#uselessPages % TRY_AGAIN === 0
  }

  /** A page was read, and it had `polledTasks` of the polled tasks. */
  succeeded(polledTasks: number): void {
    this.#failures = 0
    this.#uselessPages = polledTasks > 1 ? 0 : this.#uselessPages + 1
  }

  failed(nowMs: number): void {
    this.#pausedUntilMs = nowMs + Math.min(PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS)
    this.#failures += 1
  }
}
