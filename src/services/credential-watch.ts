import type { Credential } from '../cloud/credential.ts'
import { DueQueue } from '../domain/due-queue.ts'
import { nextLookDelayMs } from '../domain/polling.ts'
import { NEW_TASK, type TaskState } from '../domain/task.ts'
import { type Failure, GatewayError } from '../errors.ts'
import { LookBudget } from './look-budget.ts'
import type { Waiter, WatcherOptions, WatchTarget } from './watcher.ts'

/** One look at one task. Rejects with `GatewayError`. */
export type LookAt = (credential: Credential, taskID: string, signal: AbortSignal) => Promise<TaskState>

/** A task under watch: who waits for it and what was last seen. */
type Watched = {
  readonly taskID: string
  readonly createdAtMs: number
  readonly waiters: Set<Waiter>
  state: TaskState | undefined
  /** The look under way, if there is one: never two. */
  look: AbortController | undefined
  missingSinceMs: number | undefined
  /** Created by us just now: upstream may need a moment until it knows it. */
  isNew: boolean
}

/** All watching done with one credential: one queue of tasks by when they are due, one budget, one timer. */
export class CredentialWatch {
  readonly #credential: Credential
  readonly #options: WatcherOptions
  readonly #onEmpty: () => void
  readonly #tasks = new Map<string, Watched>()
  readonly #due = new DueQueue<Watched>()
  readonly #budget: LookBudget
  #timer: NodeJS.Timeout | undefined

  constructor(credential: Credential, options: WatcherOptions, onEmpty: () => void) {
    this.#credential = credential
    this.#options = options
    this.#onEmpty = onEmpty
    this.#budget = new LookBudget(options.pollRate, options.now(), options.random)
  }

  get size(): number {
    return this.#tasks.size
  }

  join(target: WatchTarget, waiter: Waiter): () => void {
    const watched = this.#tasks.get(target.taskID) ?? this.#begin(target)
    watched.waiters.add(waiter)
    if (watched.state !== undefined) waiter.onState(watched.state)
    return () => this.#leave(watched, waiter)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const watched of this.#tasks.values()) watched.look?.abort()
    this.#tasks.clear()
  }

  #begin(target: WatchTarget): Watched {
    const { taskID, createdAtMs, isNew } = target
    const now = this.#options.now()
    const watched: Watched = {
      taskID,
      createdAtMs,
      waiters: new Set(),
      state: isNew ? NEW_TASK : undefined,
      look: undefined,
      missingSinceMs: undefined,
      isNew,
    }
    this.#tasks.set(taskID, watched)
    this.#due.push(watched, isNew ? now + nextLookDelayMs(0, this.#options.random()) : now)
    this.#schedule()
    return watched
  }

  #leave(watched: Watched, waiter: Waiter): void {
    watched.waiters.delete(waiter)
    if (watched.waiters.size === 0 && this.#tasks.get(watched.taskID) === watched) this.#end(watched)
  }

  #end(watched: Watched): void {
    this.#tasks.delete(watched.taskID)
    this.#due.remove(watched)
    watched.look?.abort()
    if (this.#tasks.size > 0) return
    clearTimeout(this.#timer)
    this.#onEmpty()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    const next = this.#due.peekDueMs()
    if (next === undefined) return
    const now = this.#options.now()
    this.#timer = setTimeout(
      () => this.#lookAtDue(),
      Math.max(0, Math.max(next, this.#budget.readyAtMs(now)) - now),
    )
  }

  #lookAtDue(): void {
    const now = this.#options.now()
    while ((this.#due.peekDueMs() ?? Number.POSITIVE_INFINITY) <= now && this.#budget.take(now)) {
      const watched = this.#due.pop()
      if (watched !== undefined) void this.#look(watched)
    }
    this.#schedule()
  }

  async #look(watched: Watched): Promise<void> {
    const look = new AbortController()
    watched.look = look
    try {
      const state = await this.#options.lookAt(this.#credential, watched.taskID, look.signal)
      watched.look = undefined
      this.#budget.succeeded()
      watched.missingSinceMs = undefined
      this.#tell(watched, state)
    } catch (error) {
      watched.look = undefined
      if (!look.signal.aborted) this.#stumble(watched, error)
    }
    if (this.#tasks.get(watched.taskID) !== watched) return
    const now = this.#options.now()
    this.#due.push(watched, now + nextLookDelayMs(now - watched.createdAtMs, this.#options.random()))
    this.#schedule()
  }

  #tell(watched: Watched, state: TaskState): void {
    watched.state = state
    if (state.kind === 'running') {
      for (const waiter of watched.waiters) waiter.onState(state)
      return
    }
    // Forgotten before anyone is told: who joins from now on looks for itself.
    this.#end(watched)
    for (const waiter of watched.waiters) waiter.onState(state)
  }

  #stumble(watched: Watched, error: unknown): void {
    const failure: Failure = error instanceof GatewayError ? error.failure : { code: 'internal' }
    const now = this.#options.now()
    if (failure.code === 'not_found') watched.missingSinceMs ??= now
    else this.#budget.failed(failure, now)
    const missingForMs = watched.isNew ? now - (watched.missingSinceMs ?? now) : this.#options.notFoundMs
    if (!isFinal(failure, missingForMs >= this.#options.notFoundMs)) {
      for (const waiter of watched.waiters) waiter.onSetback?.(failure)
      return
    }
    this.#end(watched)
    for (const waiter of watched.waiters) waiter.onFailure(failure)
  }
}

/** Whether a failed look ends the watching; all else is ridden out. */
function isFinal(failure: Failure, isMissing: boolean): boolean {
  switch (failure.code) {
    case 'unauthenticated':
    case 'upstream_auth_failed':
    case 'insufficient_quota':
    case 'upstream_rejected':
    case 'internal':
      return true
    case 'not_found':
      return isMissing
    default:
      return false
  }
}
