import type { TaskApi } from '../../cloud/task-api.ts'
import type { CreateRequest } from '../../domain/create-request.ts'
import type { Trace } from '../../domain/trace.ts'
import { GatewayError } from '../../errors.ts'
import type { Limits } from '../callers/caller-limits.ts'
import type { Owners } from '../callers/owners.ts'
import type { RequestContext } from '../callers/request-context.ts'
import { requireFunction, requirePackage } from '../callers/rules.ts'
import type { Drain } from '../drain.ts'
import type { ValidateDirectInputs } from '../functions/input-validation.ts'
import type { CreatedTask, Idempotency, KeyUse, MadeTask } from '../idempotency/keyed-create.ts'
import { retryInBackground } from '../idempotency/retry-write.ts'
import type { ServiceLog } from '../service-log.ts'
import type { Breaker } from './breaker.ts'

/**
 * Creates a task, once, for a caller that may: the one way to a create, whichever door the request came in
 * by. With a key, once for all requests that carry it. Throws `GatewayError`: before anything was sent
 * (`draining`, `package_denied`, `rate_limited`, `upstream_unavailable`), or with what upstream said.
 */
export type CreateTask = (
  context: RequestContext,
  request: CreateRequest,
  keyUse?: KeyUse,
) => Promise<CreatedTask>

export type CreateTaskDeps = {
  api: TaskApi
  owners: Owners
  drain: Drain
  limits: Limits
  idempotency: Idempotency
  breaker: Breaker
  now: () => number
  log: ServiceLog
  /** Left out, the inputs of plain creates are not looked at. */
  validateDirectInputs?: ValidateDirectInputs | undefined
}

export function createCreateTask(parts: CreateTaskDeps): CreateTask {
  const { owners, drain, limits, idempotency, breaker, log } = parts
  return async (context, request, keyUse) => {
    if (drain.draining) throw new GatewayError({ code: 'draining' })
    authorise(context, request)
    const make = {
      // What follows is for the request that makes the task; a repeat of it is not held to it again.
      admit: async () => {
        await refuseWrongInputs(parts, context, request)
        breaker.check()
        limits.takeCreate(context.caller)
      },
      send: () => sendCreate(parts, context, request),
    }
    if (keyUse !== undefined) {
      const task = await idempotency.run(context, keyUse, request, make)
      context.trace.taskID = task.taskID
      return task
    }
    await make.admit()
    const made = await make.send()
    // The task runs and is paid for: a store that fails now must not hide it from this answer.
    const record = () => owners.record(context, made.taskID)
    await record().catch((error) => {
      log.warn({ err: error, taskID: made.taskID }, 'owner not recorded yet')
      retryInBackground(record)
    })
    return { ...made, isReplayed: false, end: undefined, saveOutcome: keepNothing }
  }
}

/** Without a key there is nobody to keep the end of a task for. */
function keepNothing(): void {}

/** What an upstream that is down answers with, or whatever is in front of it; undefined: no whole answer. */
const DOWN: ReadonlySet<number | undefined> = new Set([undefined, 502, 503, 504])

/** Sends the create. The caller leaving must not cut it in half: it goes on to its end, and its task with it. */
async function sendCreate(
  { api, breaker, now }: CreateTaskDeps,
  { caller, trace }: RequestContext,
  request: CreateRequest,
): Promise<MadeTask> {
  // A trace of its own shows whether this very call was answered.
  const ownTrace: Trace = {}
  const isDown = () => DOWN.has(ownTrace.upstreamStatus)
  try {
    const { taskID, answer } = await breaker.run(
      () => api.create({ credential: caller.credential, trace: ownTrace }, request.body),
      isDown,
    )
    trace.taskID = taskID
    return { taskID, createdAtMs: now(), answer: answer.bytes }
  } finally {
    const upstreamMs = (trace.upstreamMs ?? 0) + (ownTrace.upstreamMs ?? 0)
    Object.assign(trace, ownTrace, { upstreamMs })
  }
}

/** A function may be run by whom it is allowed by name, whatever its package. */
function authorise({ caller }: RequestContext, request: CreateRequest): void {
  if (request.functionName === undefined) requirePackage(caller, request)
  else requireFunction(caller, request.functionName)
}

async function refuseWrongInputs(
  { validateDirectInputs }: CreateTaskDeps,
  context: RequestContext,
  request: CreateRequest,
): Promise<void> {
  const errors = request.inputProblems ?? (await validateDirectInputs?.(context, request)) ?? []
  if (errors.length === 0) return
  throw new GatewayError({ code: 'invalid_request', detail: 'The inputs are not as they should be.', errors })
}
