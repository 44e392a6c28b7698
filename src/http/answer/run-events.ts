import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TaskState } from '../../domain/task.ts'
import { noteFailure, taskIDOfError, toFailure } from '../../errors.ts'
import { traceOf } from '../request/http-exchange.ts'
import { type EventStream, openEventStream } from './event-stream.ts'
import { type RunAnswer, toFailureAnswer } from './run-body.ts'

/**
 * A run as server-sent events. The stream begins with the first event: what goes wrong before that is answered
 * with a status of its own.
 */
export type RunEvents = {
  created(taskID: string): void
  /** Sends `progress` when something has changed. */
  state(taskID: string, state: TaskState): void
  /** Any other event. */
  send(event: string, value: object): void
  /** Sends the last event and ends the stream. */
  end(answer: RunAnswer): FastifyReply
  /** Ends the stream with `error`; throws the error again when no stream has begun. */
  fail(error: unknown): FastifyReply
}

/** `keepAliveMs`: between two comments that keep the stream open. */
export function createRunEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  keepAliveMs: number,
): RunEvents {
  let stream: EventStream | undefined
  let lastProgress = ''
  const send = (event: string, json: string | Buffer) => {
    stream ??= openEventStream(reply, keepAliveMs)
    stream.send(event, json)
  }
  return {
    created: (taskID) => {
      // Too late for a header once the stream has begun with the progress of an upload.
      if (stream === undefined) reply.header('x-task-id', taskID)
      send('created', JSON.stringify({ taskID }))
    },
    state: (taskID, state) => {
      if (state.kind !== 'running') return
      const progress = JSON.stringify({ taskID, status: state.status, progress: state.progress })
      if (progress !== lastProgress) send('progress', progress)
      lastProgress = progress
    },
    send: (event, value) => send(event, JSON.stringify(value)),
    end: ({ event, body }) => {
      send(event, body)
      stream?.end()
      return reply
    },
    fail: (error) => {
      if (stream === undefined) throw error
      const failure = toFailure(error)
      const trace = traceOf(request)
      noteFailure(failure, error, trace, request.log)
      stream.send('error', toFailureAnswer(failure, request, taskIDOfError(error, trace)).body)
      stream.end()
      return reply
    },
  }
}
