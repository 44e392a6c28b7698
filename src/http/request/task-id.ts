import type { FastifyReply, FastifyRequest } from 'fastify'
import { isTaskID } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import { traceOf } from './caller-of.ts'

/** The id in the path, once it is known to be one; anything else does not exist, and upstream is not asked. */
export function taskIDOf(request: FastifyRequest, reply: FastifyReply): string {
  const { taskID } = request.params as { taskID: string }
  if (!isTaskID(taskID)) throw new GatewayError({ code: 'not_found', what: 'task' })
  traceOf(request).taskID = taskID
  reply.header('x-task-id', taskID)
  return taskID
}
