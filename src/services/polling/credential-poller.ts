import type { Credential } from '../../cloud/credential.ts'
import { DueQueue } from '../../domain/due-queue.ts'
import { nextLookDelayMs } from '../../domain/polling.ts'
import type { TaskState } from '../../domain/task.ts'
import type { ListedTask } from '../../domain/task-page.ts'
import type { Failure } from '../../errors.ts'
import { ListBackoff } from './list-backoff.ts'
import { ListSweep } from './list-sweep.ts'
import { PollBudget } from './poll-budget.ts'
import { isFinal, tellsOfUpstream, toPollFailure } from './poll-failures.ts'
import { createPolledTask, type PolledTask, tellWaiters } from './polled-task.ts'
import type { PollTarget, TaskPollerOptions, Waiter } from './task-poller.ts'

/** One look at one task. Rejects with `GatewayError`. */
export type PollTask = (credential: Credential, taskID: string, signal: AbortSignal) => Promise<TaskState>

/** Up to so many tasks each is asked for by its id; of more the list tells at less cost. */
const MANY_TASKS = 20
/** Between two looks at a task in the list: shorter than by id, because a page costs little for each it shows. */
const LONGEST_LISTED_MS = 1_500
/** A task is asked for by its id once in so many of its intervals, whatever the list shows of it. */
const INTERVALS_ON_TRUST = 2.5
/** One request in so many goes to such a check even when there are more urgent ones. */
const CHECK_SHARE = 16
/** Results fetched at the same time. */
const MAX_FETCHES = 32
/** So often the list is asked for those who wait to be asked for by id. */
const BACKLOG_SWEEP_MS = 1_000

/**
 * All watching done with one credential: its tasks by when they are due, one budget for requests that look,
 * one timer. Of many tasks the list is asked, page by page; what it does not show, and now and then what it
 * does, is asked for by id.
 */
export class CredentialPoller {
  readonly #credential: Credential
  readonly #options: TaskPollerOptions
  readonly #tasks = new Map<string, PolledTask>()
  /** When the next look at each is due, by id or in the list. */
  readonly #due = new DueQueue<PolledTask>()
  /** When each is to be asked for by id, whatever the list shows. */
  readonly #checks = new DueQueue<PolledTask>()
  /** Due, and to be asked for by id: in the order in which they came. */
  readonly #byID = new Set<PolledTask>()
  /** Known to have ended; their results are fetched outside the budget. */
  readonly #ended = new Set<PolledTask>()
  readonly #budget: PollBudget
  readonly #trust = new ListBackoff()
  /** What upstream showed last of suffering. */
  #trouble: Failure | undefined
  #fetches = 0
  #sweep: ListSweep | undefined
  #turn = 0
  #sweptAtMs = 0
  #sweepTookMs = 0
  #page = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(credential: Credential, options: TaskPollerOptions) {
    this.#credential = credential
    this.#options = options
    this.#budget = new PollBudget(options.pollRate, options.now(), options.random)
  }

  get size(): number {
    return this.#tasks.size
  }

  join(target: PollTarget, waiter: Waiter): () => void {
    const watched = this.#tasks.get(target.taskID) ?? this.#begin(target)
    watched.waiters.add(waiter)
    if (watched.state !== undefined) waiter.onState(watched.state)
    else if (this.#budget.isPaused && this.#trouble !== undefined) waiter.onRetry?.(this.#trouble)
    return () => this.#leave(watched, waiter)
  }

  close(): void {
    for (const watched of [...this.#tasks.values()]) this.#end(watched)
  }

  #begin(target: PollTarget): PolledTask {
    const watched = createPolledTask(target)
    const now = this.#options.now()
    this.#tasks.set(watched.taskID, watched)
    const firstLookMs = nextLookDelayMs(0, this.#options.random())
    // Of a task never seen nothing is known, and it may be older than what the list begins with.
    if (watched.isNew) this.#due.push(watched, now + firstLookMs)
    else this.#byID.add(watched)
    this.#checks.push(watched, now + INTERVALS_ON_TRUST * firstLookMs)
    this.#arm()
    return watched
  }

  #leave(watched: PolledTask, waiter: Waiter): void {
    watched.waiters.delete(waiter)
    if (watched.waiters.size === 0 && this.#tasks.get(watched.taskID) === watched) this.#end(watched)
  }

  #end(watched: PolledTask): void {
    this.#tasks.delete(watched.taskID)
    this.#unplan(watched)
    watched.look?.abort()
    if (this.#tasks.size > 0) return
    clearTimeout(this.#timer)
    this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#page.abort()
    this.#sweep = undefined
  }

  /** Takes a task out of everything that would have it asked for. */
  #unplan(watched: PolledTask): void {
    this.#due.remove(watched)
    this.#checks.remove(watched)
    this.#byID.delete(watched)
    this.#ended.delete(watched)
    this.#sweep?.forget(watched)
  }

  /** Sets the timer for the next thing to do, unless it is set for something earlier already. */
  #arm(): void {
    if (this.#tasks.size === 0) return
    const now = this.#options.now()
    const workAtMs = this.#hasWork() ? now : this.#nextDueMs()
    const atMs = Math.max(workAtMs, this.#budget.readyAtMs(now))
    if (atMs >= this.#timerAtMs || atMs === Number.POSITIVE_INFINITY) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    this.#timer = setTimeout(() => this.#work(), Math.max(0, atMs - now))
  }

  #hasWork(): boolean {
    const isPageWanted = this.#sweep !== undefined && !this.#sweep.isPageUnderWay
    const isProbeWanted = this.#budget.isPaused && this.#ended.size > 0
    return this.#byID.size > 0 || isPageWanted || isProbeWanted
  }

  #nextDueMs(): number {
    const never = Number.POSITIVE_INFINITY
    const dueMs = this.#sweep === undefined ? this.#nextLookMs() : never
    return Math.min(dueMs, this.#isMany() ? (this.#checks.peekDueMs() ?? never) : never)
  }

  #isMany(): boolean {
    return this.#tasks.size > MANY_TASKS
  }

  #work(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = this.#options.now()
    while (this.#budget.readyAtMs(now) <= now) {
      const step = this.#nextStep(now)
      if (step === undefined || !this.#budget.take(now)) break
      step()
    }
    this.#fetchResults()
    this.#arm()
  }

  /** The next request to be made, if there is reason for one: pages and ids in turns, checks now and then. */
  #nextStep(now: number): (() => void) | undefined {
    const [ended] = this.#ended
    // Nothing is fetched beside the budget while upstream suffers, but a fetch may be the probe.
    if (this.#budget.isPaused && ended !== undefined) return () => void this.#pollTask(ended)
    this.#beginSweep(now)
    const sweep = this.#sweep?.isPageUnderWay ? undefined : this.#sweep
    const [byID] = this.#byID
    this.#turn += 1
    const isCheckDue = this.#isMany() && (this.#checks.peekDueMs() ?? Number.POSITIVE_INFINITY) <= now
    const isIdle = sweep === undefined && byID === undefined
    if (isCheckDue && (isIdle || this.#turn % CHECK_SHARE === 0)) return () => this.#check()
    if (sweep !== undefined && (byID === undefined || this.#turn % 2 === 0))
      return () => void this.#readPage(sweep)
    return byID === undefined ? undefined : () => void this.#pollTask(byID)
  }

  /**
   * Takes what is due out of the queue: to be looked for in the list, or by id. Of many that wait to be asked
   * for by id the list may tell too.
   */
  #beginSweep(now: number): void {
    if (this.#sweep !== undefined) return
    const isBacklog = this.#byID.size > MANY_TASKS && now >= this.#sweptAtMs + BACKLOG_SWEEP_MS
    if (!isBacklog && this.#nextLookMs() > now) return
    const isListed = this.#isMany() && this.#trust.shouldTryList(now)
    const sought = new Set<PolledTask>(isBacklog ? this.#byID : [])
    // What falls due while the pages are read is sought with the rest, or each page would begin a sweep anew.
    const untilMs = isListed ? now + this.#sweepTookMs : now
    while (this.#nextLookMs() <= untilMs) {
      const watched = this.#due.pop()
      if (watched !== undefined) sought.add(watched)
    }
    this.#sweptAtMs = now
    if (isListed) this.#sweep = new ListSweep(sought)
    else for (const watched of sought) this.#byID.add(watched)
  }

  #nextLookMs(): number {
    return this.#due.peekDueMs() ?? Number.POSITIVE_INFINITY
  }

  async #readPage(sweep: ListSweep): Promise<void> {
    const { now, readPage } = this.#options
    const startedAtMs = now()
    this.#page = new AbortController()
    const { signal } = this.#page
    sweep.isPageUnderWay = true
    try {
      const page = await readPage(this.#credential, sweep.query, signal)
      this.#budget.succeeded()
      // Everyone has left; who has come since may have found a probe under way, and set no timer.
      if (signal.aborted) return this.#arm()
      let shown = 0
      for (const task of page.tasks) if (this.#noteListed(task, sweep)) shown += 1
      this.#trust.shown(shown)
      sweep.turnPage(page.nextToken)
    } catch (error) {
      if (signal.aborted) {
        this.#budget.abandoned()
        return this.#arm()
      }
      this.#noteListFailure(toPollFailure(error), startedAtMs)
      sweep.isOver = true
    }
    sweep.isPageUnderWay = false
    if (sweep.isOver) this.#endSweep(sweep)
    this.#work()
  }

  /** What no page has shown is asked for by id. */
  #endSweep(sweep: ListSweep): void {
    for (const watched of sweep.left) this.#byID.add(watched)
    this.#sweep = undefined
    this.#sweepTookMs = Math.min(this.#options.now() - this.#sweptAtMs, LONGEST_LISTED_MS)
  }

  #noteListFailure(failure: Failure, startedAtMs: number): void {
    const now = this.#options.now()
    this.#trust.failed(now)
    // A list that is refused or can't be read says nothing of the tasks: they are asked for by id.
    if (tellsOfUpstream(failure)) this.#suffer(failure, startedAtMs, now)
    else this.#budget.succeeded()
  }

  /**
   * Upstream suffers, so all of this credential wait for one probe. Who waits for a task that was never seen is
   * told: its turn may come long after its time is over.
   */
  #suffer(failure: Failure, startedAtMs: number, now: number): void {
    this.#trouble = failure
    this.#budget.failed(failure, startedAtMs, now)
    for (const { state, waiters } of this.#tasks.values()) {
      if (state === undefined) tellWaiters(waiters, (waiter) => waiter.onRetry?.(failure))
    }
  }

  /** Whether the listed task is one of ours. Its end is good news to follow; that it runs puts the next look off. */
  #noteListed({ taskID, hasEnded, status, progress }: ListedTask, sweep: ListSweep): boolean {
    const watched = this.#tasks.get(taskID)
    if (watched === undefined) return false
    const wasSought = sweep.note(watched)
    if (watched.look !== undefined || this.#ended.has(watched)) return true
    if (!hasEnded) {
      this.#byID.delete(watched)
      // No jitter: who was shown together falls due together, and is shown together again.
      this.#putOff(watched, 0.5, LONGEST_LISTED_MS)
      this.#tell(watched, toRunning(watched.state, status, progress))
    } else if (!watched.isEndFollowed) {
      this.#unplan(watched)
      watched.isEndFollowed = true
      this.#ended.add(watched)
    } else if (wasSought) this.#byID.add(watched)
    return true
  }

  #putOff(watched: PolledTask, random: number, mostMs = Number.POSITIVE_INFINITY): void {
    const now = this.#options.now()
    const delayMs = nextLookDelayMs(now - watched.createdAtMs, random)
    this.#due.push(watched, now + Math.min(delayMs, mostMs))
  }

  #check(): void {
    const watched = this.#checks.pop()
    if (watched !== undefined && watched.look === undefined) void this.#pollTask(watched)
  }

  #fetchResults(): void {
    const limit = Math.ceil(MAX_FETCHES * this.#budget.share)
    for (const watched of this.#ended) {
      if (this.#fetches >= limit || this.#budget.isPaused) return
      this.#fetches += 1
      void this.#pollTask(watched, true).finally(() => {
        this.#fetches -= 1
        this.#fetchResults()
      })
    }
  }

  /** Asks for one task. `isFetch`: it is known to have ended, so the request is not one of the budget's. */
  async #pollTask(watched: PolledTask, isFetch = false): Promise<void> {
    const { now, pollTask, random } = this.#options
    this.#unplan(watched)
    const look = new AbortController()
    watched.look = look
    const startedAtMs = now()
    try {
      const state = await pollTask(this.#credential, watched.taskID, look.signal)
      watched.look = undefined
      this.#budget.succeeded()
      watched.missingSinceMs = undefined
      if (isFetch && state.kind === 'running') this.#budget.charge()
      this.#tell(watched, state)
    } catch (error) {
      watched.look = undefined
      if (look.signal.aborted) this.#budget.abandoned()
      else this.#stumble(watched, toPollFailure(error), startedAtMs, isFetch)
    }
    if (this.#tasks.get(watched.taskID) === watched && !this.#ended.has(watched)) {
      this.#putOff(watched, random())
      const at = now()
      const intervalMs = nextLookDelayMs(at - watched.createdAtMs, random())
      this.#checks.push(watched, at + INTERVALS_ON_TRUST * intervalMs)
    }
    // This may have been the look that ended a pause: results that waited for its end have no timer.
    this.#fetchResults()
    this.#arm()
  }

  #tell(watched: PolledTask, state: TaskState): void {
    watched.state = state
    // Forgotten before anyone is told of its end: who joins from now on looks for itself.
    if (state.kind !== 'running') this.#end(watched)
    tellWaiters(watched.waiters, (waiter) => waiter.onState(state))
  }

  #stumble(watched: PolledTask, failure: Failure, startedAtMs: number, isFetch: boolean): void {
    const now = this.#options.now()
    if (failure.code === 'not_found') watched.missingSinceMs ??= now
    if (tellsOfUpstream(failure)) {
      this.#suffer(failure, startedAtMs, now)
      if (isFetch) this.#ended.add(watched)
    } else this.#budget.succeeded()
    const patienceMs = this.#options.notFoundMs
    const missingForMs = existed(watched) ? now - (watched.missingSinceMs ?? now) : patienceMs
    if (!isFinal(failure, missingForMs >= patienceMs)) {
      tellWaiters(watched.waiters, (waiter) => waiter.onRetry?.(failure))
      return
    }
    this.#end(watched)
    tellWaiters(watched.waiters, (waiter) => waiter.onFailure(failure))
  }
}

/** The state as it was when nothing has changed: ten thousand tasks are shown again and again. */
function toRunning(last: TaskState | undefined, status: string, progress: number): TaskState {
  const isSame = last?.kind === 'running' && last.status === status && last.progress === progress
  return isSame ? last : { kind: 'running', status, progress }
}

/** Whether a task is known to exist, so that upstream not knowing it may pass. */
function existed({ isOwn, state }: PolledTask): boolean {
  return isOwn || state !== undefined
}
