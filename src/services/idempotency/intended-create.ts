import { randomUUID } from 'node:crypto'
import { isLate, TransportError } from '../../cloud/http-client.ts'
import { type RecordOf, toCreatedRecord, toIntent, toUnknownRecord } from '../../domain/idempotency.ts'
import { type FailureCode, GatewayError } from '../../errors.ts'
import type { ServiceLog } from '../service-log.ts'
import type { CreatedTask, CreateOperation, MadeTask } from './create-operation.ts'
import { type KeyRecord, type StoredRecord, toStored } from './key-record.ts'
import type { ProcessLease } from './process-lease.ts'
import { retryInBackground } from './retry-in-background.ts'

type IntendedCreateDeps = {
  lease: ProcessLease
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  log: ServiceLog
}

/**
 * One create under a key. `current` is what its intent replaces: nothing, or an attempt that made no task.
 * `noteLost` is called when its outcome is lost.
 */
type IntendedCreate = {
  keyRecord: KeyRecord
  current: StoredRecord | undefined
  fingerprint: string
  operation: CreateOperation
  noteLost: () => void
}

/** An intent that is in the store. */
type Intent = {
  stored: StoredRecord<RecordOf<'creating'>>
  /** When it was sent to the store, by the clock of durations. */
  sentAtMs: number
}

/**
 * How long after its intent was sent to the store a create may be sent upstream, in milliseconds. Whoever
 * finds the intent later takes the create for over, looks for its task, and makes it when there is none. Counted from the
 * sending: an acknowledgement that lies in the socket while this process stands still looks fresh.
 */
const SEND_WITHIN_MS = 2_000
/** How often the intent of one create is written before the store counts as unavailable. */
const MAX_INTENTS = 3

/**
 * Writes the intent down, makes the task and writes it down. Undefined when another request was faster: the
 * record says how to go on. Throws `GatewayError`.
 */
export async function createIntended(
  deps: IntendedCreateDeps,
  create: IntendedCreate,
): Promise<CreatedTask | undefined> {
  await create.operation.check()
  const release = await deps.lease.hold()
  try {
    let { current } = create
    for (let intents = 1; ; intents++) {
      const intent = await writeIntent(deps, create, current)
      if (intent === undefined) return undefined
      const made = await sendCreate(deps, create, intent, intents === MAX_INTENTS)
      if (made !== undefined) return await keepTask(deps, create, intent, made)
      current = intent.stored
    }
  } finally {
    release()
  }
}

/** Undefined when another request wrote to the record in the meantime. */
async function writeIntent(
  { lease, now, monotonicNow }: IntendedCreateDeps,
  { keyRecord, fingerprint, operation }: IntendedCreate,
  current: StoredRecord | undefined,
): Promise<Intent | undefined> {
  const stored = toStored<RecordOf<'creating'>>({
    state: 'creating',
    fingerprint,
    startedAtMs: now(),
    process: lease.process,
    attempt: randomUUID(),
    intent: toIntent(operation.request),
  })
  const sentAtMs = monotonicNow()
  return (await keyRecord.replace(current, stored)) ? { stored, sentAtMs } : undefined
}

/**
 * Sends the create; when that fails, the record says before the answer does whether a task may exist. Undefined
 * when it was too late, so that nothing was sent and the intent is to be written again; throws then if this was the last one.
 */
async function sendCreate(
  deps: IntendedCreateDeps,
  { keyRecord, operation, noteLost }: IntendedCreate,
  intent: Intent,
  isLast: boolean,
): Promise<MadeTask | undefined> {
  const isTooLate = () => deps.monotonicNow() > intent.sentAtMs + SEND_WITHIN_MS
  try {
    if (isTooLate()) {
      throw new GatewayError({ code: 'store_unavailable' }, { cause: new TransportError('late', false) })
    }
    return await operation.send(isTooLate)
  } catch (error) {
    if (isLate(error)) {
      deps.log.warn({ isLast }, 'a create was not sent: too much time had passed since its intent')
      if (!isLast) return undefined
    }
    const isNothing =
      error instanceof GatewayError && (isLate(error) || NOTHING_CREATED.has(error.failure.code))
    if (!isNothing) noteLost()
    const written = isNothing
      ? keyRecord.delete(intent.stored)
      : keyRecord.replace(intent.stored, toStored(toLostRecord(deps, intent)))
    await written.catch((err) => deps.log.warn({ err }, 'the record of a key was not brought up to date'))
    throw error
  }
}

/**
 * The record of a create whose outcome was not seen. If the wall clock was set meanwhile, its task is searched by both
 * readings: which of them agrees with upstream's is not known.
 */
function toLostRecord({ now, monotonicNow }: IntendedCreateDeps, { stored, sentAtMs }: Intent) {
  const { record } = stored
  const tookMs = Math.ceil(monotonicNow() - sentAtMs)
  const nowMs = now()
  const startedAtMs = Math.min(record.startedAtMs, nowMs - tookMs)
  return toUnknownRecord({ ...record, startedAtMs }, Math.max(nowMs, record.startedAtMs + tookMs))
}

/** The task exists and is paid for: a store that fails now must not hide it from this answer. */
async function keepTask(
  deps: IntendedCreateDeps,
  { keyRecord, operation }: IntendedCreate,
  intent: Intent,
  made: MadeTask,
): Promise<CreatedTask | undefined> {
  const { log } = deps
  const { taskID } = made
  const { stored } = intent
  const created = toStored(toCreatedRecord(stored.record, made))
  const write = async (): Promise<boolean> => {
    if (!(await keyRecord.claimTask(taskID, stored.record.startedAtMs))) return false
    await Promise.all([keyRecord.replace(stored, created), operation.record(taskID)])
    return true
  }
  try {
    if (!(await write())) {
      // A search took it for the lost task of another key. That key's own create made none, or one for us.
      await keyRecord.replace(stored, toStored(toLostRecord(deps, intent)))
      return undefined
    }
  } catch (err) {
    log.warn({ err, taskID }, 'the task of a key is not written down yet')
    // Until it is, the lost create of another key could be taken to have made it.
    retryInBackground(write)
  }
  return keyRecord.toTask(created, false)
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
