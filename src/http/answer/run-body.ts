import type { FastifyReply, FastifyRequest } from 'fastify'
import { adviseRetrySeconds } from '../../domain/polling.ts'
import { toSuccessBody } from '../../domain/task.ts'
import { type Failure, isTaskFailure, toTaskFailure } from '../../errors.ts'
import type { RunOutcome } from '../../services/runs/run-outcome.ts'
import { traceOf } from '../request/http-exchange.ts'
import { toProblemAnswer } from './problem.ts'
import { holdAnswer } from './unread-answers.ts'

/** How a run is answered: the same body whether it is a response or the last event of a stream. */
export type RunAnswer = {
  event: 'success' | 'failed' | 'pending' | 'error'
  status: number
  contentType: string
  headers: Record<string, string>
  body: string | Buffer
}

/** About how long a caller is advised to wait, as a task's age, before it asks for a result it had no room for. */
const NO_ROOM_AGE_MS = 30_000

/**
 * The answer to a run that has finished, or still goes on. A result for which there is no room, because its caller has
 * not read others, is answered as if it were not there yet: it is paid for, and can be fetched by its id.
 */
export function toRunAnswer(outcome: RunOutcome, request: FastifyRequest, reply: FastifyReply): RunAnswer {
  const { taskID } = outcome
  if (outcome.kind === 'pending') return toPendingAnswer(outcome)
  if (outcome.task.kind === 'success') {
    const body = toSuccessBody(taskID, outcome.task)
    if (!holdAnswer(request, reply, body)) {
      return toPendingAnswer({
        kind: 'pending',
        taskID,
        status: 'success',
        progress: 1,
        ageMs: NO_ROOM_AGE_MS,
      })
    }
    const headers = { 'x-task-id': taskID }
    return { event: 'success', status: 200, contentType: 'application/json', headers, body }
  }
  return toFailureAnswer(toTaskFailure(outcome.task), request, taskID)
}

/** The answer to a run that could not be made or polled. */
export function toFailureAnswer(failure: Failure, request: FastifyRequest, taskID?: string): RunAnswer {
  traceOf(request).failure = failure.code
  const { status, headers, problem } = toProblemAnswer(failure, request.id, taskID)
  const event = isTaskFailure(failure) && taskID !== undefined ? 'failed' : 'error'
  return { event, status, contentType: 'application/problem+json', headers, body: JSON.stringify(problem) }
}

/** Sends the answer as one response. */
export function sendRunAnswer(reply: FastifyReply, answer: RunAnswer): FastifyReply {
  return reply.code(answer.status).headers(answer.headers).type(answer.contentType).send(answer.body)
}

function toPendingAnswer({
  taskID,
  status,
  progress,
  ageMs,
}: Extract<RunOutcome, { kind: 'pending' }>): RunAnswer {
  return {
    event: 'pending',
    status: 202,
    contentType: 'application/json',
    headers: {
      'x-task-id': taskID,
      location: `/tasks/${taskID}/result`,
      'retry-after': String(adviseRetrySeconds(ageMs)),
    },
    body: JSON.stringify({ taskID, status, progress }),
  }
}
