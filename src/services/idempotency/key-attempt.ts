import { type RecordOf, toCreatedRecord, toUnknownRecord } from '../../domain/idempotency.ts'
import { GatewayError } from '../../errors.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { ServiceLog } from '../service-log.ts'
import type { CreatedTask, CreateOperation } from './create-operation.ts'
import { createIntended } from './intended-create.ts'
import { type KeyRecord, type StoredRecord, toStored } from './key-record.ts'
import type { LostCreates } from './lost-creates.ts'
import type { ProcessLease } from './process-lease.ts'
import type { Finding, Recover } from './recovery.ts'

export type KeyAttemptDeps = {
  lease: ProcessLease
  recover: Recover
  lostCreates: LostCreates
  drain: Drain
  /** Milliseconds since 1970: records are read by other processes, and compared with times of upstream. */
  now: () => number
  /** Milliseconds, by a clock that is never set: how long this request is held. */
  monotonicNow: () => number
  log: ServiceLog
  times: AttemptTimes
}

/** Milliseconds. */
export type AttemptTimes = {
  /** Longest time from the intent to the end of a create. */
  attemptMs: number
  /** How often the record of a create of another process is read. */
  joinMs: number
  /** Longest time that a repeat is held while a lost create is searched. */
  searchMs: number
}

/** A request with a key, and the create that it asks for. */
type KeyedRequest = {
  context: RequestContext
  recordKey: string
  fingerprint: string
  operation: CreateOperation
}

/** One keyed request on its way from the record of its key to a task. */
export class KeyAttempt {
  readonly #deps: KeyAttemptDeps
  readonly #request: KeyedRequest
  readonly #keyRecord: KeyRecord
  readonly #searchUntilMs: number
  /** The create of another process that is waited for, and when it is over at the latest. */
  #awaited: { text: string; untilMs: number } | undefined

  constructor(deps: KeyAttemptDeps, request: KeyedRequest, keyRecord: KeyRecord) {
    this.#deps = deps
    this.#request = request
    this.#keyRecord = keyRecord
    this.#searchUntilMs = deps.monotonicNow() + deps.times.searchMs
  }

  /** Each turn either answers or moves the record on; a turn that lost a race reads what the winner wrote. */
  async run(): Promise<CreatedTask> {
    for (;;) {
      if (this.#deps.drain.draining) throw new GatewayError({ code: 'draining' })
      const current = await this.#keyRecord.read()
      const task = current === undefined ? await this.#create(undefined) : await this.#goOn(current)
      if (task !== undefined) return task
    }
  }

  async #goOn(current: StoredRecord): Promise<CreatedTask | undefined> {
    const { record } = current
    if (record.fingerprint !== this.#request.fingerprint) {
      throw new GatewayError({ code: 'idempotency_key_reused' })
    }
    switch (record.state) {
      case 'created':
      case 'ended':
        return this.#keyRecord.toTask({ ...current, record }, true)
      case 'creating':
        return this.#awaitOther(current, record)
      case 'unknown':
        return this.#search(current, record)
    }
  }

  /** Writes the intent in place of `current` and creates the task. */
  #create(current: StoredRecord | undefined): Promise<CreatedTask | undefined> {
    const { recordKey, fingerprint, operation } = this.#request
    const noteLost = () => this.#deps.lostCreates.note(recordKey)
    return createIntended(this.#deps, {
      keyRecord: this.#keyRecord,
      current,
      fingerprint,
      operation,
      noteLost,
    })
  }

  /** Another process may be about to know the outcome; a dead one never will. */
  async #awaitOther(current: StoredRecord, record: RecordOf<'creating'>): Promise<undefined> {
    const { lease, times, now } = this.#deps
    const latestMs = record.startedAtMs + times.attemptMs
    const isInTime = now() < latestMs && !this.#isOverdue(current)
    const isOurs = record.process === lease.process
    if (!isOurs && isInTime && (await lease.isAlive(record.process))) return this.#pause(times.joinMs)
    const nowMs = now()
    // Before its own start: the clock was set back, and when the attempt ended is not known.
    const endedAtMs = nowMs < record.startedAtMs ? latestMs : Math.min(nowMs, latestMs)
    const unknown = toUnknownRecord(record, endedAtMs)
    await this.#keyRecord.replace(current, toStored(unknown))
    return undefined
  }

  /** Whether it has been waited for as long as any create lasts, whatever was done to the wall clock meanwhile. */
  #isOverdue({ text }: StoredRecord): boolean {
    const { monotonicNow, times } = this.#deps
    if (this.#awaited?.text !== text) this.#awaited = { text, untilMs: monotonicNow() + times.attemptMs }
    return monotonicNow() >= this.#awaited.untilMs
  }

  async #search(current: StoredRecord, record: RecordOf<'unknown'>): Promise<CreatedTask | undefined> {
    const { recover, times, now, monotonicNow } = this.#deps
    const { context, recordKey } = this.#request
    const finding = await recover(context, recordKey, record)
    switch (finding.kind) {
      case 'absent':
        return this.#create(current)
      case 'found':
        return this.#adopt(current, record, finding)
      case 'unknown': {
        const { againAtMs } = finding
        const waitMs = (againAtMs ?? Number.POSITIVE_INFINITY) - now()
        if (monotonicNow() + waitMs > this.#searchUntilMs) throw outcomeUnknown()
        return this.#pause(Math.max(waitMs, times.joinMs))
      }
    }
  }

  async #adopt(
    current: StoredRecord,
    record: RecordOf<'unknown'>,
    { taskID, createdAtMs }: Extract<Finding, { kind: 'found' }>,
  ): Promise<undefined> {
    await this.#request.operation.record(taskID)
    const answer = Buffer.from(JSON.stringify({ taskID }))
    await this.#keyRecord.replace(current, toStored(toCreatedRecord(record, { taskID, createdAtMs, answer })))
    this.#deps.log.warn({ taskID }, 'a create whose outcome was not seen was found in the task list')
    return undefined
  }

  /** Ends early when the drain begins. */
  async #pause(ms: number): Promise<undefined> {
    let forget = () => {}
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      forget = this.#deps.drain.onBegin(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    forget()
    return undefined
  }
}

/** The answer to a repeat of a create whose outcome can't be found out now. */
export function outcomeUnknown(cause?: unknown): GatewayError {
  return new GatewayError({ code: 'create_outcome_unknown', repeated: true }, { cause })
}
