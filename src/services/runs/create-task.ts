import { isLate } from '../../cloud/http-client.ts'
import type { TaskApi } from '../../cloud/task-api.ts'
import type { Breaker } from '../../domain/breaker.ts'
import type { CreateRequest } from '../../domain/create-request.ts'
import type { Trace } from '../../domain/trace.ts'
import { GatewayError } from '../../errors.ts'
import type { Limits } from '../callers/caller-limits.ts'
import type { Owners } from '../callers/owners.ts'
import type { RequestContext } from '../callers/request-context.ts'
import { requireFunction, requirePackage } from '../callers/rules.ts'
import type { Drain } from '../drain.ts'
import { invalidInputs, type ValidateDirectInputs } from '../functions/input-validation.ts'
import type { CreatedTask, CreateOperation, KeyUse, MadeTask } from '../idempotency/create-operation.ts'
import type { KeyedCreate } from '../idempotency/keyed-create.ts'
import type { Pressure } from '../pressure.ts'
import type { ServiceLog } from '../service-log.ts'

/** A create that is ready to be sent, and the key by which a repeat of its request is known. */
export type PreparedRun = { create: CreateRequest; keyUse: KeyUse | undefined }

/**
 * Creates a task, once, for a caller that may: every create of the gateway passes here. With a key, once for
 * all requests that carry it. Throws `GatewayError`: before anything was sent (`draining`, `overloaded`,
 * `package_denied`, `function_denied`, `invalid_request`, `rate_limited`, `upstream_unavailable`), or with upstream's answer.
 */
export type CreateTask = (context: RequestContext, prepared: PreparedRun) => Promise<CreatedTask>

export type CreateTaskDeps = {
  api: Pick<TaskApi, 'create'>
  owners: Pick<Owners, 'record'>
  drain: Drain
  pressure: Pick<Pressure, 'refuseNew'>
  limits: Pick<Limits, 'takeCreate'>
  createKeyed: KeyedCreate
  breaker: Breaker
  /** Milliseconds since 1970. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  /** From 0 to 1. */
  random: () => number
  log: ServiceLog
  /** Left out, the inputs of direct creates are not checked. */
  validateDirectInputs?: ValidateDirectInputs | undefined
}

/** The one place that creates tasks. */
export function createCreateTask(deps: CreateTaskDeps): CreateTask {
  return async (context, { create: request, keyUse }) => {
    if (deps.drain.draining) throw new GatewayError({ code: 'draining' })
    authorise(context, request)
    const operation: CreateOperation = {
      request,
      check: () => checkCreate(deps, context, request),
      send: (isTooLate) => sendCreate(deps, context, request, isTooLate),
      record: (taskID) => deps.owners.record(context, taskID),
    }
    if (keyUse === undefined) return createUnkeyed(deps, operation)
    const task = await deps.createKeyed(context, keyUse, operation)
    context.trace.taskID = task.taskID
    return task
  }
}

async function createUnkeyed({ log }: CreateTaskDeps, operation: CreateOperation): Promise<CreatedTask> {
  await operation.check()
  const made = await operation.send()
  // The task runs and is paid for: a store that fails now must not hide it from this answer.
  await operation.record(made.taskID).catch((error) => {
    log.warn({ err: error, taskID: made.taskID }, 'owner not recorded yet')
  })
  return { ...made, isReplayed: false, finished: undefined, saveOutcome: keepNothing }
}

/** Without a key there is no later request to keep the end of a task for. */
function keepNothing(): void {}

/** A function may be run by callers that it is allowed to by name, whatever its package. */
function authorise({ caller }: RequestContext, request: CreateRequest): void {
  if (request.functionName === undefined) requirePackage(caller, request)
  else requireFunction(caller, request.functionName)
}

/** Checks the request that makes the task. A repeat of it is not checked again. */
async function checkCreate(
  { validateDirectInputs, pressure, breaker, limits, monotonicNow }: CreateTaskDeps,
  context: RequestContext,
  request: CreateRequest,
): Promise<void> {
  pressure.refuseNew()
  const errors = request.inputProblems ?? (await validateDirectInputs?.(context, request)) ?? []
  if (errors.length > 0) throw invalidInputs(errors)
  refuseFor(breaker.waitMs(monotonicNow()))
  limits.takeCreate(context.caller)
}

/** What an upstream that is down answers with, or whatever is in front of it; undefined: no whole answer. */
const DOWN: ReadonlySet<number | undefined> = new Set([undefined, 502, 503, 504])

/** Sends the create. A caller that leaves must not cut it in half: it goes on to its end, and its task with it. */
async function sendCreate(
  { api, breaker, now, monotonicNow, random }: CreateTaskDeps,
  { caller, trace }: RequestContext,
  request: CreateRequest,
  isTooLate: (() => boolean) | undefined,
): Promise<MadeTask> {
  refuseFor(breaker.request(monotonicNow()))
  // A trace of its own shows whether this very call was answered.
  const ownTrace: Trace = {}
  try {
    const { taskID, answer } = await api.create(
      { credential: caller.credential, trace: ownTrace },
      request.body,
      isTooLate,
    )
    breaker.noteAnswer()
    trace.taskID = taskID
    return { taskID, createdAtMs: now(), answer: answer.bytes }
  } catch (error) {
    if (isLate(error)) breaker.noteNothing(monotonicNow())
    else if (DOWN.has(ownTrace.upstreamStatus)) breaker.noteFailure(monotonicNow(), random())
    else breaker.noteAnswer()
    throw error
  } finally {
    const upstreamMs = (trace.upstreamMs ?? 0) + (ownTrace.upstreamMs ?? 0)
    Object.assign(trace, ownTrace, { upstreamMs })
  }
}

/** Fails fast while upstream is down. Throws `upstream_unavailable` unless there is nothing to wait for. */
function refuseFor(waitMs: number): void {
  if (waitMs <= 0) return
  throw new GatewayError({ code: 'upstream_unavailable', retryAfterSeconds: Math.ceil(waitMs / 1000) })
}
