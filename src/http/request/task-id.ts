import type { FastifyReply, FastifyRequest } from 'fastify'
import { isTaskID } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import { traceOf } from './http-exchange.ts'

/** The task id in the path. Throws `not_found` if it can't be one, so that upstream is never asked for it. */
export function taskIDOf(request: FastifyRequest, reply: FastifyReply): string {
  const { taskID } = request.params as { taskID: string }
  if (!isTaskID(taskID)) throw new GatewayError({ code: 'not_found', what: 'task' })
  traceOf(request).taskID = taskID
  reply.header('x-task-id', taskID)
  return taskID
}
