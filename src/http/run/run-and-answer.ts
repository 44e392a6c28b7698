import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CreateRequest } from '../../domain/create-request.ts'
import type { CreatedTask } from '../../services/idempotency/create-operation.ts'
import type { PreparedRun } from '../../services/runs/create-task.ts'
import type { RunOutcome } from '../../services/runs/run-outcome.ts'
import type { Runs } from '../../services/runs/runs.ts'
import { sendRunAnswer, toRunAnswer } from '../answer/run-body.ts'
import { createRunEvents, type RunEvents } from '../answer/run-events.ts'
import { isForm } from '../body/form.ts'
import { discardBody } from '../request/continue.ts'
import { type HttpExchange, toHttpExchange } from '../request/http-exchange.ts'
import { idempotencyKeyOf } from '../request/idempotency-key.ts'
import {
  applyPreference,
  type HttpWaits,
  responseModeOf,
  type WaitingMode,
} from '../request/response-mode.ts'

/** A create, and what distinguishes its request from others with the same `Idempotency-Key`. */
export type PreparedCreate = { create: CreateRequest; fingerprint: string }

/**
 * Makes the create of a request out of its body. `events` is there when the caller follows by events: what
 * takes long before the create may be sent on it.
 */
type PrepareCreate = (exchange: HttpExchange, events: RunEvents | undefined) => Promise<PreparedCreate>

/** Runs what `prepare` makes of the request, and answers in the form that the caller asked for. */
export async function answerRun(
  { runs, waits }: { runs: Runs; waits: HttpWaits },
  request: FastifyRequest,
  reply: FastifyReply,
  prepare: PrepareCreate,
): Promise<FastifyReply> {
  const mode = responseModeOf(request, waits)
  const exchange = toHttpExchange(request, reply)
  const sendsFiles = isForm(request)
  if (mode.kind === 'async') {
    const created = await createTask(runs, exchange, prepare, sendsFiles)
    applyPreference(reply, mode)
    return sendCreated(created, reply)
  }
  return answerWaiting(exchange, mode, (events) =>
    runs.run(
      exchange.context,
      () => {
        applyPreference(reply, mode)
        return prepareKeyed(exchange, prepare, events)
      },
      {
        sendsFiles,
        waitMs: mode.wait.ms,
        onCreated: (created) => {
          noteReplay(created, reply)
          events?.created(created.taskID)
        },
        onState: events?.state,
      },
    ),
  )
}

/** Creates the task of a request, or gives the one that an earlier request with the same key created. */
export async function createTask(
  runs: Runs,
  exchange: HttpExchange,
  prepare: PrepareCreate,
  sendsFiles = false,
): Promise<CreatedTask> {
  const prepareRun = () => prepareKeyed(exchange, prepare, undefined)
  const created = await runs.create(exchange.context, prepareRun, { sendsFiles })
  noteReplay(created, exchange.reply)
  return created
}

/** Answers with the end of a task that exists, or with how far it is when the wait is over. */
export function answerFollow(
  runs: Runs,
  exchange: HttpExchange,
  taskID: string,
  mode: WaitingMode,
): Promise<FastifyReply> {
  applyPreference(exchange.reply, mode)
  discardBody(exchange.request)
  const { context } = exchange
  return answerWaiting(exchange, mode, (events) =>
    runs.follow(context, taskID, { waitMs: mode.wait.ms, onState: events?.state }),
  )
}

/** Answers with a task that was created and is not waited for. */
export function sendCreated({ taskID }: CreatedTask, reply: FastifyReply): FastifyReply {
  return reply
    .code(202)
    .headers({ 'x-task-id': taskID, location: `/tasks/${taskID}` })
    .send({ taskID, status: 'queued' })
}

/** Answers with the outcome of a wait: as one response, or as the last of the events that were sent on the way. */
async function answerWaiting(
  { request, reply }: HttpExchange,
  mode: WaitingMode,
  wait: (events: RunEvents | undefined) => Promise<RunOutcome>,
): Promise<FastifyReply> {
  if (mode.kind === 'blocking')
    return sendRunAnswer(reply, toRunAnswer(await wait(undefined), request, reply))
  const events = createRunEvents(request, reply, mode.keepAliveMs)
  try {
    return events.end(toRunAnswer(await wait(events), request, reply))
  } catch (error) {
    return events.fail(error)
  }
}

/** The key is checked before the body is read. */
async function prepareKeyed(
  exchange: HttpExchange,
  prepare: PrepareCreate,
  events: RunEvents | undefined,
): Promise<PreparedRun> {
  const key = idempotencyKeyOf(exchange.request)
  const { create, fingerprint } = await prepare(exchange, events)
  return { create, keyUse: key === undefined ? undefined : { key, fingerprint } }
}

/** Too late for a header once events report an upload. */
function noteReplay({ isReplayed }: CreatedTask, reply: FastifyReply): void {
  if (isReplayed && !reply.sent) reply.header('idempotency-replayed', 'true')
}
