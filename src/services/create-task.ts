import type { TaskApi } from '../cloud/task-api.ts'
import type { CreateRequest } from '../domain/create-request.ts'
import { GatewayError } from '../errors.ts'
import type { RequestContext } from './caller.ts'
import type { Drain } from './drain.ts'
import type { Limits } from './limits.ts'
import type { Owners } from './owners.ts'
import { requirePackage } from './rules.ts'

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
}

export function createCreateTask({ api, owners, drain, limits, now, log }: CreateTaskParts): CreateTask {
  return async (context, request) => {
    if (drain.draining) throw new GatewayError({ code: 'draining' })
    requirePackage(context.caller, request)
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
