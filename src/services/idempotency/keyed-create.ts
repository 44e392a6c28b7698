import type { CreateRequest } from '../../domain/create-request.ts'
import {
  type IdempotencyRecord,
  RECORD_LIFE_MS,
  type RecordOf,
  readRecord,
  toEndedRecord,
  toIntent,
  toKeptAnswer,
  toRecordKey,
  writeRecord,
} from '../../domain/idempotency.ts'
import type { FinishedTask } from '../../domain/task.ts'
import type { SearchTimes } from '../../domain/task-search.ts'
import { type FailureCode, GatewayError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { Owners } from '../callers/owners.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { ServiceLog } from '../service-log.ts'
import { createTaskListings, type ReadPage } from '../tasks/list-scan.ts'
import { createProcessLease, type ProcessLease } from './process-lease.ts'
import { claimTask, createRecover, type Finding, type Recover } from './recovery.ts'
import { retryInBackground } from './retry-write.ts'

/** A key as its caller gave it, and what identifies the request that came with it. */
export type KeyUse = { key: string; fingerprint: string }

/**
 * A task that this gateway created. `answer` is upstream's own. `isReplayed`: not by this request but by an
 * earlier one with the same key. `end`: how it ended, when its key knows that.
 */
export type CreatedTask = {
  taskID: string
  createdAtMs: number
  answer: Buffer
  isReplayed: boolean
  end: FinishedTask | undefined
  /** Keeps the end of the task with its key, if it has one; what goes wrong is of no consequence. */
  saveOutcome(end: FinishedTask): void
}

/** A task as its create gave it. */
export type MadeTask = { taskID: string; createdAtMs: number; answer: Buffer }

/** How a task is made, once it is certain that this request has to make it. */
export type MakeTask = {
  /** Throws when the create would be refused; called before anything is written down. */
  admit(): Promise<void>
  send(): Promise<MadeTask>
}

/**
 * Runs keyed creates: the first use of a key makes the task, every other one joins it. Throws
 * `idempotency_key_reused`, `create_outcome_unknown`, `store_unavailable`, or what the create ended with.
 */
export type Idempotency = {
  run(context: RequestContext, use: KeyUse, request: CreateRequest, make: MakeTask): Promise<CreatedTask>
}

export type IdempotencyTimes = SearchTimes & {
  /** A process that has not renewed its lease for so long is dead. */
  leaseMs: number
  /** Longest time from the intent to the end of a create. */
  attemptMs: number
  /** How often a create of another process is looked at. */
  joinMs: number
  /** Longest time a repeat is held while a lost create is looked for. */
  searchMs: number
}

const IDEMPOTENCY_TIMES: IdempotencyTimes = {
  leaseMs: 5_000,
  attemptMs: 65_000,
  joinMs: 100,
  searchMs: 20_000,
  settleMs: 10_000,
  unseenSettleMs: 60_000,
  recordingMs: 2_000,
  skewMs: 15_000,
}

export type IdempotencyDeps = {
  store: Store
  owners: Owners
  drain: Drain
  readPage: ReadPage
  now: () => number
  log: ServiceLog
  /** Left out: `IDEMPOTENCY_TIMES`. */
  times?: Partial<IdempotencyTimes> | undefined
}

type Tools = Omit<IdempotencyDeps, 'times'> & {
  times: IdempotencyTimes
  lease: ProcessLease
  recover: Recover
}

type Attempt = { fingerprint: string; task: Promise<CreatedTask> }

export function createIdempotency(parts: IdempotencyDeps): Idempotency {
  const { store, readPage, now } = parts
  const times = { ...IDEMPOTENCY_TIMES, ...parts.times }
  const listings = createTaskListings(readPage, now)
  const tools: Tools = {
    ...parts,
    times,
    lease: createProcessLease({ store, now, leaseMs: times.leaseMs }),
    recover: createRecover({ store, listings, times, now }),
  }
  const underWay = new Map<string, Attempt>()
  return {
    run: async (context, use, request, make) => {
      const recordKey = toRecordKey(context.caller.id, use.key)
      for (;;) {
        const attempt = underWay.get(recordKey)
        if (attempt?.fingerprint === use.fingerprint) return joinAttempt(attempt)
        if (attempt === undefined) break
        // Another request under the same key: whether it is the first is known when it is over.
        await attempt.task.catch(() => {})
      }
      const task = new KeyedCreate(tools, { context, use, request, make, recordKey }).run()
      underWay.set(recordKey, { fingerprint: use.fingerprint, task })
      try {
        return await task
      } finally {
        underWay.delete(recordKey)
      }
    },
  }
}

async function joinAttempt({ task }: Attempt): Promise<CreatedTask> {
  try {
    return { ...(await task), isReplayed: true }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.failure.code !== 'create_outcome_unknown') throw error
    throw outcomeUnknown(error)
  }
}

type Job = {
  context: RequestContext
  use: KeyUse
  request: CreateRequest
  make: MakeTask
  recordKey: string
}

/** One keyed request on its way from the record of its key to a task. */
class KeyedCreate {
  readonly #tools: Tools
  readonly #job: Job
  readonly #searchUntilMs: number

  constructor(tools: Tools, job: Job) {
    this.#tools = tools
    this.#job = job
    this.#searchUntilMs = tools.now() + tools.times.searchMs
  }

  /** Each turn either answers or moves the record on; a turn that lost a race sees what the winner wrote. */
  async run(): Promise<CreatedTask> {
    for (;;) {
      const { store, drain } = this.#tools
      if (drain.draining) throw new GatewayError({ code: 'draining' })
      const standing = await store.get('idempotency', this.#job.recordKey)
      const task = standing === undefined ? await this.#create(undefined) : await this.#goOn(standing)
      if (task !== undefined) return task
    }
  }

  async #goOn(standing: string): Promise<CreatedTask | undefined> {
    const record = readRecord(standing)
    if (record.fingerprint !== this.#job.use.fingerprint) {
      throw new GatewayError({ code: 'idempotency_key_reused' })
    }
    switch (record.state) {
      case 'created':
      case 'ended':
        return this.#toTask(record, standing, true)
      case 'creating':
        return this.#awaitOther(record, standing)
      case 'unknown':
        return this.#search(record, standing)
    }
  }

  /** Another process may be about to know; a dead one never will. */
  async #awaitOther(record: RecordOf<'creating'>, standing: string): Promise<undefined> {
    const { lease, times, now } = this.#tools
    const latestMs = record.startedAtMs + times.attemptMs
    const isOurs = record.process === lease.process
    const isGoingOn = !isOurs && now() < latestMs && (await lease.isAlive(record.process))
    if (isGoingOn) return this.#pause(times.joinMs)
    const { fingerprint, startedAtMs, intent } = record
    const endedAtMs = Math.min(now(), latestMs)
    await this.#move(standing, { state: 'unknown', fingerprint, startedAtMs, intent, endedAtMs })
    return undefined
  }

  async #search(record: RecordOf<'unknown'>, standing: string): Promise<CreatedTask | undefined> {
    const finding = await this.#tools.recover(this.#job.context, this.#job.recordKey, record)
    switch (finding.kind) {
      case 'absent':
        return this.#create(standing)
      case 'found':
        return this.#adopt(record, standing, finding)
      case 'unknown':
        return this.#searchAgain(finding.againAtMs)
    }
  }

  async #adopt(
    { fingerprint, startedAtMs }: RecordOf<'unknown'>,
    standing: string,
    { taskID, createdAtMs }: Extract<Finding, { kind: 'found' }>,
  ): Promise<undefined> {
    const answer = JSON.stringify({ taskID })
    await this.#recordOwner(taskID)
    await this.#move(standing, { state: 'created', fingerprint, startedAtMs, taskID, createdAtMs, answer })
    this.#tools.log.warn({ taskID }, 'a create whose outcome was not seen was found in the task list')
    return undefined
  }

  async #searchAgain(againAtMs: number | undefined): Promise<undefined> {
    if (againAtMs === undefined || againAtMs > this.#searchUntilMs) throw outcomeUnknown()
    return this.#pause(Math.max(againAtMs - this.#tools.now(), this.#tools.times.joinMs))
  }

  /** Writes the intent down, makes the task and writes it down; undefined when another request was faster. */
  async #create(standing: string | undefined): Promise<CreatedTask | undefined> {
    const { lease, now } = this.#tools
    const { use, request, make } = this.#job
    await make.admit()
    const leave = await lease.hold()
    try {
      const intent: RecordOf<'creating'> = {
        state: 'creating',
        fingerprint: use.fingerprint,
        startedAtMs: now(),
        process: lease.process,
        intent: toIntent(request),
      }
      const text = writeRecord(intent)
      if (!(await this.#claim(standing, text, expiryOf(intent)))) return undefined
      const made = await this.#make(intent, text)
      return await this.#keep(intent, text, made)
    } finally {
      leave()
    }
  }

  async #claim(standing: string | undefined, text: string, expiresAtMs: number): Promise<boolean> {
    const { store } = this.#tools
    const { recordKey } = this.#job
    if (standing !== undefined) return store.replace('idempotency', recordKey, standing, text, expiresAtMs)
    return (await store.claim('idempotency', recordKey, text, expiresAtMs)) === undefined
  }

  async #make(intent: RecordOf<'creating'>, text: string): Promise<MadeTask> {
    const { store, now, log } = this.#tools
    try {
      return await this.#job.make.send()
    } catch (error) {
      const isNothing = error instanceof GatewayError && NOTHING_CREATED.has(error.failure.code)
      const { fingerprint, startedAtMs } = intent
      const unknown = { fingerprint, startedAtMs, intent: intent.intent, endedAtMs: now() }
      const written = isNothing
        ? store.delete('idempotency', this.#job.recordKey, text)
        : this.#move(text, { state: 'unknown', ...unknown })
      await written.catch((err) => log.warn({ err }, 'the record of a key was not brought up to date'))
      throw error
    }
  }

  /** The task exists and is paid for: a store that fails now must not hide it from this answer. */
  async #keep(
    { fingerprint, startedAtMs }: RecordOf<'creating'>,
    text: string,
    { taskID, createdAtMs, answer }: MadeTask,
  ): Promise<CreatedTask | undefined> {
    const { store, log, now } = this.#tools
    const { recordKey } = this.#job
    const kept = { taskID, createdAtMs, answer: toKeptAnswer(taskID, answer) }
    const record: RecordOf<'created'> = { state: 'created', fingerprint, startedAtMs, ...kept }
    const recordText = writeRecord(record)
    try {
      if (!(await claimTask(store, recordKey, taskID, startedAtMs))) {
        // A search took it for the lost task of another key, which therefore has no other, or one for us.
        const { intent } = readRecord(text) as RecordOf<'creating'>
        const endedAtMs = now()
        await this.#move(text, { state: 'unknown', fingerprint, startedAtMs, intent, endedAtMs })
        return undefined
      }
      await Promise.all([this.#move(text, record), this.#recordOwner(taskID)])
    } catch (err) {
      log.warn({ err, taskID }, 'the task of a key is not written down yet')
      // Until it is, the lost create of another key could be taken to have made it.
      retryInBackground(async () => {
        const isOurs = await claimTask(store, recordKey, taskID, startedAtMs)
        if (isOurs) await Promise.all([this.#move(text, record), this.#recordOwner(taskID)])
      })
    }
    return this.#toTask(record, recordText, false)
  }

  #toTask(record: RecordOf<'created' | 'ended'>, text: string, isReplayed: boolean): CreatedTask {
    const { taskID, createdAtMs, answer } = record
    let isKept = record.state === 'ended'
    const saveOutcome = (end: FinishedTask) => {
      const ended = record.state === 'created' && !isKept ? toEndedRecord(record, end) : undefined
      isKept = true
      if (ended !== undefined) this.#move(text, ended).catch(() => {})
    }
    const end = record.state === 'ended' ? record.end : undefined
    return { taskID, createdAtMs, answer: Buffer.from(answer), isReplayed, end, saveOutcome }
  }

  /** Replaces the record by the next; what another request wrote meanwhile stays. */
  async #move(standing: string, next: IdempotencyRecord): Promise<void> {
    const { store } = this.#tools
    await store.replace('idempotency', this.#job.recordKey, standing, writeRecord(next), expiryOf(next))
  }

  async #recordOwner(taskID: string): Promise<void> {
    await this.#tools.owners.record(this.#job.context, taskID)
  }

  async #pause(ms: number): Promise<undefined> {
    let forget = () => {}
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      forget = this.#tools.drain.onBegin(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    forget()
    return undefined
  }
}

function expiryOf({ startedAtMs }: IdempotencyRecord): number {
  return startedAtMs + RECORD_LIFE_MS
}

function outcomeUnknown(cause?: unknown): GatewayError {
  return new GatewayError({ code: 'create_outcome_unknown', repeated: true }, { cause })
}

/**
 * Failures of a create after which it is certain that there is no task: it was refused, by us or by
 * upstream, or nothing of it was sent.
 */
const NOTHING_CREATED: ReadonlySet<FailureCode> = new Set([
  'invalid_request',
  'unauthenticated',
  'insufficient_quota',
  'insufficient_scope',
  'package_denied',
  'function_denied',
  'not_found',
  'rate_limited',
  'too_many_runs',
  'upstream_rate_limited',
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_unavailable',
  'upstream_auth_failed',
  'upstream_rejected',
  'overloaded',
  'draining',
])
