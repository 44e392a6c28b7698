import { toRecordKey } from '../../domain/idempotency.ts'
import type { SearchTimes } from '../../domain/task-search.ts'
import { GatewayError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { Drain } from '../drain.ts'
import type { ServiceLog } from '../service-log.ts'
import { createTaskListings, type ReadPage } from '../tasks/task-listings.ts'
import type { CreatedTask, CreateOperation, KeyUse } from './create-operation.ts'
import { type AttemptTimes, KeyAttempt, type KeyAttemptDeps, outcomeUnknown } from './key-attempt.ts'
import { KeyRecord } from './key-record.ts'
import { createLostCreates } from './lost-creates.ts'
import { createProcessLease } from './process-lease.ts'
import { createRecover } from './recovery.ts'

/**
 * Creates a task once for all requests with the same key of a caller: the first use of the key makes it, every
 * other one gets it. Throws `idempotency_key_reused`, `create_outcome_unknown`, `store_unavailable`, or what the
 * create ended with.
 */
export type KeyedCreate = (
  context: RequestContext,
  keyUse: KeyUse,
  operation: CreateOperation,
) => Promise<CreatedTask>

/** Milliseconds. */
export type IdempotencyTimes = SearchTimes &
  AttemptTimes & {
    /** A process that has not renewed its lease for this long is dead. */
    leaseMs: number
  }

/** What `attemptMs` is follows from the deadline of a create. */
const IDEMPOTENCY_TIMES: Omit<IdempotencyTimes, 'attemptMs'> = {
  leaseMs: 5_000,
  joinMs: 100,
  searchMs: 20_000,
  settleMs: 10_000,
  unseenSettleMs: 60_000,
  recordingMs: 2_000,
  skewMs: 15_000,
}

type KeyedCreateDeps = {
  store: Store
  drain: Drain
  readPage: ReadPage
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  log: ServiceLog
  /** What is left out is as in `IDEMPOTENCY_TIMES`. */
  times: Partial<IdempotencyTimes> & Pick<IdempotencyTimes, 'attemptMs'>
}

/** A create under way in this process, which requests with the same key join. */
type PendingCreate = { fingerprint: string; task: Promise<CreatedTask> }

export function createKeyedCreate(deps: KeyedCreateDeps): KeyedCreate {
  const { store, drain, readPage, now, monotonicNow, log } = deps
  const times = { ...IDEMPOTENCY_TIMES, ...deps.times }
  const listings = createTaskListings(readPage, { now, monotonicNow })
  const lease = createProcessLease({ store, now, leaseMs: times.leaseMs })
  const lostCreates = createLostCreates(monotonicNow, times.settleMs)
  const recover = createRecover({ store, listings, lostCreates, times, now })
  const attemptDeps: KeyAttemptDeps = { lease, recover, lostCreates, drain, now, monotonicNow, log, times }
  const pendingCreates = new Map<string, PendingCreate>()

  return async (context, { key, fingerprint }, operation) => {
    const recordKey = toRecordKey(context.caller.id, key)
    for (;;) {
      const pending = pendingCreates.get(recordKey)
      if (pending?.fingerprint === fingerprint) return joinCreate(pending)
      if (pending === undefined) break
      // Another request under the same key: whether it is the first is known when it is over.
      await pending.task.catch(() => {})
    }
    const request = { context, recordKey, fingerprint, operation }
    const task = new KeyAttempt(attemptDeps, request, new KeyRecord({ store, now, log }, recordKey)).run()
    pendingCreates.set(recordKey, { fingerprint, task })
    try {
      return await task
    } finally {
      pendingCreates.delete(recordKey)
    }
  }
}

async function joinCreate({ task }: PendingCreate): Promise<CreatedTask> {
  try {
    return { ...(await task), isReplayed: true }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.failure.code !== 'create_outcome_unknown') throw error
    throw outcomeUnknown(error)
  }
}
