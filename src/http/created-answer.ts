import type { FastifyReply } from 'fastify'
import type { CreatedTask } from '../services/runs.ts'

/** Answers with a task that was created and is not waited for. */
export function sendCreated({ taskID }: CreatedTask, reply: FastifyReply): FastifyReply {
  return reply
    .code(202)
    .headers({ 'x-task-id': taskID, location: `/tasks/${taskID}` })
    .send({ taskID, status: 'queued' })
}
