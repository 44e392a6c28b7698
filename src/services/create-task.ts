import type { TaskApi } from '../cloud/task-api.ts'
import type { CreateRequest } from '../domain/create-request.ts'
import { GatewayError } from '../errors.ts'
import type { RequestContext } from './caller.ts'
import type { Drain } from './drain.ts'
import type { FindPlainProblems } from './input-validation.ts'
import type { Limits } from './limits.ts'
import type { Owners } from './owners.ts'
import { requireFunction, requirePackage } from './rules.ts'

/** A task that this gateway created. `answer` is upstream's own. */
export type CreatedTask = { taskID: string; createdAtMs: number; answer: Buffer }

/**
 * Creates a task, once, for a caller that may: the one way to a create, whichever door the request came in
 * by. Throws `GatewayError`: before anything was sent (`draining`, `package_denied`, `rate_limited`), or with what upstream said.
 */
export type CreateTask = (context: RequestContext, request: CreateRequest) => Promise<CreatedTask>

/** Told of what went wrong beside the answer. */
export type ServiceLog = { warn(details: object, message: string): void }

export type CreateTaskParts = {
  api: TaskApi
  owners: Owners
  drain: Drain
  limits: Limits
  now: () => number
  log: ServiceLog
  /** Left out, the inputs of plain creates are not looked at. */
  findPlainProblems?: FindPlainProblems | undefined
}

export function createCreateTask(parts: CreateTaskParts): CreateTask {
  const { api, owners, drain, limits, now, log } = parts
  return async (context, request) => {
    if (drain.draining) throw new GatewayError({ code: 'draining' })
    authorise(context, request)
    await refuseWrongInputs(parts, context, request)
    limits.takeCreate(context.caller)
    // The caller leaving must not cut a create in half: it goes on to its end, and its task with it.
    const { caller, trace } = context
    const { taskID, answer } = await api.create({ credential: caller.credential, trace }, request.body)
    trace.taskID = taskID
    const createdAtMs = now()
    // The task runs and is paid for: a store that fails now must not hide it from this answer.
    await owners
      .record(context, taskID)
      .catch((error) => log.warn({ err: error, taskID }, 'owner not recorded'))
    return { taskID, createdAtMs, answer: answer.bytes }
  }
}

/** A function may be run by whom it is allowed by name, whatever its package. */
function authorise({ caller }: RequestContext, request: CreateRequest): void {
  if (request.functionName === undefined) requirePackage(caller, request)
  else requireFunction(caller, request.functionName)
}

async function refuseWrongInputs(
  { findPlainProblems }: CreateTaskParts,
  context: RequestContext,
  request: CreateRequest,
): Promise<void> {
  const errors = request.inputProblems ?? (await findPlainProblems?.(context, request)) ?? []
  if (errors.length === 0) return
  throw new GatewayError({ code: 'invalid_request', detail: 'The inputs are not as they should be.', errors })
}
