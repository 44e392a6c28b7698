import { randomUUID } from 'node:crypto'
import { type RecordOf, toCreatedRecord, toIntent, toUnknownRecord } from '../../domain/idempotency.ts'
import { type FailureCode, GatewayError } from '../../errors.ts'
import type { ServiceLog } from '../service-log.ts'
import type { CreatedTask, CreateOperation, MadeTask } from './create-operation.ts'
import { type KeyRecord, type StoredRecord, toStored } from './key-record.ts'
import type { ProcessLease } from './process-lease.ts'
import { retryInBackground } from './retry-in-background.ts'

type IntendedCreateDeps = { lease: ProcessLease; now: () => number; log: ServiceLog }

/** One create under a key. `current` is what its intent replaces: nothing, or an attempt that made no task. */
type IntendedCreate = {
  keyRecord: KeyRecord
  current: StoredRecord | undefined
  fingerprint: string
  operation: CreateOperation
}

/**
 * Writes the intent down, makes the task and writes it down. Undefined when another request was faster: the
 * record says how to go on. Throws `GatewayError`.
 */
export async function createIntended(
  deps: IntendedCreateDeps,
  create: IntendedCreate,
): Promise<CreatedTask | undefined> {
  const { lease, now } = deps
  const { keyRecord, current, fingerprint, operation } = create
  await operation.check()
  const release = await lease.hold()
  try {
    const intent = toStored<RecordOf<'creating'>>({
      state: 'creating',
      fingerprint,
      startedAtMs: now(),
      process: lease.process,
      attempt: randomUUID(),
      intent: toIntent(operation.request),
    })
    if (!(await keyRecord.replace(current, intent))) return undefined
    const made = await sendCreate(deps, create, intent)
    return await keepTask(deps, create, intent, made)
  } finally {
    release()
  }
}

/** Sends the create; when that fails, the record says before the answer does whether a task may exist. */
async function sendCreate(
  { now, log }: IntendedCreateDeps,
  { keyRecord, operation }: IntendedCreate,
  intent: StoredRecord<RecordOf<'creating'>>,
): Promise<MadeTask> {
  try {
    return await operation.send()
  } catch (error) {
    const isNothing = error instanceof GatewayError && NOTHING_CREATED.has(error.failure.code)
    const written = isNothing
      ? keyRecord.delete(intent)
      : keyRecord.replace(intent, toStored(toUnknownRecord(intent.record, now())))
    await written.catch((err) => log.warn({ err }, 'the record of a key was not brought up to date'))
    throw error
  }
}

/** The task exists and is paid for: a store that fails now must not hide it from this answer. */
async function keepTask(
  { now, log }: IntendedCreateDeps,
  { keyRecord, operation }: IntendedCreate,
  intent: StoredRecord<RecordOf<'creating'>>,
  made: MadeTask,
): Promise<CreatedTask | undefined> {
  const { taskID } = made
  const created = toStored(toCreatedRecord(intent.record, made))
  const write = async (): Promise<boolean> => {
    if (!(await keyRecord.claimTask(taskID, intent.record.startedAtMs))) return false
    await Promise.all([keyRecord.replace(intent, created), operation.record(taskID)])
    return true
  }
  try {
    if (!(await write())) {
      // A search took it for the lost task of another key. That key's own create made none, or one for us.
      await keyRecord.replace(intent, toStored(toUnknownRecord(intent.record, now())))
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
