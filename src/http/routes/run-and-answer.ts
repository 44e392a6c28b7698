import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CreateRequest } from '../../domain/create-request.ts'
import type { CreatedTask } from '../../services/idempotency/keyed-create.ts'
import type { AwaitedTask, Runs } from '../../services/runs/runs.ts'
import { sendRunAnswer, toRunAnswer } from '../answer/run-body.ts'
import { createRunEvents, type RunEvents } from '../answer/run-events.ts'
import { isForm } from '../body/form.ts'
import { type HttpExchange, toHttpExchange } from '../request/caller-of.ts'
import { idempotencyKeyOf } from '../request/idempotency-key.ts'
import {
  applyPreference,
  type ResponseMode,
  responseModeOf,
  type WaitLimits,
} from '../request/response-mode.ts'

/** A create, and what tells the request it was made of from others with the same `Idempotency-Key`. */
export type PreparedCreate = { create: CreateRequest; fingerprint: string }

/**
 * Makes the create of a request out of its body. `events` is there when the caller follows by events: what
 * takes long before the create may be told on it.
 */
export type PrepareCreate = (exchange: HttpExchange, events: RunEvents | undefined) => Promise<PreparedCreate>

type WaitingForm = Exclude<ResponseMode, { kind: 'async' }>

/** Runs what `prepare` makes of the request, and answers in the form that the caller asked for. */
export async function answerRun(
  { runs, waits }: { runs: Runs; waits: WaitLimits },
  request: FastifyRequest,
  reply: FastifyReply,
  prepare: PrepareCreate,
): Promise<FastifyReply> {
  const form = responseModeOf(request, waits)
  const exchange = toHttpExchange(request, reply)
  // The files of a form go upstream before the create that could still be refused.
  if (isForm(request)) runs.requireCreate(exchange.context)
  if (form.kind === 'async') {
    const created = await createOnce(runs, exchange, prepare)
    applyPreference(reply, form)
    return sendCreated(created, reply)
  }
  return answerWaiting(runs, exchange, form, async (events) => {
    const created = await createOnce(runs, exchange, prepare, events)
    // Of ten thousand who wait only what they need is kept: not upstream's answer to the create.
    const { taskID, createdAtMs, end, saveOutcome, isReplayed } = created
    events?.created(taskID)
    return { taskID, createdAtMs, end, saveOutcome, isOwn: true, isNew: !isReplayed }
  })
}

/** Creates the task of a request, or gives the one that an earlier request with the same key created. */
export async function createOnce(
  runs: Runs,
  exchange: HttpExchange,
  prepare: PrepareCreate,
  events?: RunEvents,
): Promise<CreatedTask> {
  const { request, reply, context } = exchange
  const key = idempotencyKeyOf(request)
  const { create, fingerprint } = await prepare(exchange, events)
  const created = await runs.create(context, create, key === undefined ? undefined : { key, fingerprint })
  if (created.isReplayed && !reply.sent) reply.header('idempotency-replayed', 'true')
  return created
}

/** Waits for a task and answers when it has ended or the wait is over; the caller has a place among those who wait. */
export async function answerWaiting(
  runs: Runs,
  { request, reply, context }: HttpExchange,
  form: WaitingForm,
  begin: (events: RunEvents | undefined) => Promise<AwaitedTask>,
): Promise<FastifyReply> {
  const leave = runs.enter(context)
  const events = form.kind === 'events' ? createRunEvents(request, reply, form.keepAliveMs) : undefined
  try {
    applyPreference(reply, form)
    const awaited = await begin(events)
    const onState =
      events && ((state: Parameters<RunEvents['state']>[1]) => events.state(awaited.taskID, state))
    const end = await runs.wait(context, awaited, { waitMs: form.wait.ms, onState })
    const answer = toRunAnswer(end, request)
    return events === undefined ? sendRunAnswer(reply, answer) : events.end(answer)
  } catch (error) {
    if (events === undefined) throw error
    return events.fail(error)
  } finally {
    leave()
  }
}

/** Answers with a task that was created and is not waited for. */
export function sendCreated({ taskID }: CreatedTask, reply: FastifyReply): FastifyReply {
  return reply
    .code(202)
    .headers({ 'x-task-id': taskID, location: `/tasks/${taskID}` })
    .send({ taskID, status: 'queued' })
}
