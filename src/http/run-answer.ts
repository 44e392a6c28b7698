import type { FastifyReply, FastifyRequest } from 'fastify'
import { adviseRetrySeconds } from '../domain/polling.ts'
import { type TaskState, toSuccessBody } from '../domain/task.ts'
import { type Failure, GatewayError } from '../errors.ts'
import type { RequestContext } from '../services/caller.ts'
import type { AwaitedTask, RunEnd, Runs } from '../services/runs.ts'
import { traceOf } from './caller.ts'
import { type EventStream, openEventStream } from './event-stream.ts'
import { toProblemAnswer } from './problem.ts'
import type { AnswerForm } from './run-wait.ts'

/** How a run is answered: the same body whether it is a response or the last event of a stream. */
type RunAnswer = {
  event: 'success' | 'failed' | 'pending' | 'error'
  status: number
  contentType: string
  headers: Record<string, string>
  body: string | Buffer
}

/** Waits for the task and answers in the form asked for. */
export async function answerWhenEnded(
  runs: Runs,
  context: RequestContext,
  awaited: AwaitedTask,
  form: Exclude<AnswerForm, { kind: 'async' }>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (form.kind === 'events') return streamUntilEnded(runs, context, awaited, form.wait.ms, request, reply)
  return sendRunEnd(await runs.wait(context, awaited, { waitMs: form.wait.ms }), request, reply)
}

/** Answers with the end of a run, or with where it stands. */
export function sendRunEnd(end: RunEnd, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, contentType, headers, body } = toRunAnswer(end, request)
  return reply.code(status).headers(headers).type(contentType).send(body)
}

async function streamUntilEnded(
  runs: Runs,
  context: RequestContext,
  awaited: AwaitedTask,
  waitMs: number,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { taskID } = awaited
  let events: EventStream | undefined
  // A task somebody asks for may not exist: its stream begins with the first sight of it.
  const begin = (): EventStream => {
    if (events === undefined) {
      events = openEventStream(reply.header('x-task-id', taskID))
      events.send('created', JSON.stringify({ taskID }))
    }
    return events
  }
  if (awaited.isNew) begin()
  let last = ''
  const onState = (state: TaskState) => {
    if (state.kind !== 'running') return
    const progress = JSON.stringify({ taskID, status: state.status, progress: state.progress })
    if (progress !== last) begin().send('progress', progress)
    last = progress
  }
  try {
    const { event, body } = toRunAnswer(await runs.wait(context, awaited, { waitMs, onState }), request)
    begin().send(event, body)
  } catch (error) {
    if (events === undefined) throw error
    const failure: Failure = error instanceof GatewayError ? error.failure : { code: 'internal' }
    if (failure.code === 'internal') request.log.error({ err: error }, 'unforeseen error')
    events.send('error', toFailureAnswer(failure, taskID, request).body)
  }
  events?.end()
  return reply
}

function toRunAnswer(end: RunEnd, request: FastifyRequest): RunAnswer {
  const { taskID } = end
  if (end.kind === 'pending') {
    const { status, progress, ageMs } = end
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
  if (end.task.kind === 'success') {
    const body = toSuccessBody(taskID, end.task)
    const headers = { 'x-task-id': taskID }
    return { event: 'success', status: 200, contentType: 'application/json', headers, body }
  }
  const { message: detail, quota } = end.task
  return toFailureAnswer({ code: quota ? 'insufficient_quota' : 'task_failed', detail }, taskID, request)
}

function toFailureAnswer(failure: Failure, taskID: string, request: FastifyRequest): RunAnswer {
  traceOf(request).failure = failure.code
  const { status, headers, problem } = toProblemAnswer(failure, request.id, taskID)
  const ended = failure.code === 'task_failed' || failure.code === 'insufficient_quota'
  return {
    event: ended ? 'failed' : 'error',
    status,
    contentType: 'application/problem+json',
    headers,
    body: JSON.stringify(problem),
  }
}
