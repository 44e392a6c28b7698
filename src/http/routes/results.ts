import { Type } from 'typebox'
import type { Runs } from '../../services/runs/runs.ts'
import { sendRunAnswer, toRunAnswer } from '../answer/run-body.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import {
  json,
  PENDING_HEADERS,
  PreferHeader,
  problems,
  RunPending,
  RunSuccess,
  TASK_HEADERS,
  TaskParams,
  WaitQuery,
} from '../openapi/schemas.ts'
import { toHttpExchange } from '../request/http-exchange.ts'
import {
  applyPreference,
  type HttpWaits,
  responseModeOf,
  type WaitingMode,
} from '../request/response-mode.ts'
import { taskIDOf } from '../request/task-id.ts'
import { answerFollow } from '../run/run-and-answer.ts'

/** `GET /tasks/{taskID}/result`: the answer that `/run` would give, at once or after a wait. */
export function taskResult(runs: Runs, waits: HttpWaits): Route {
  return defineRoute({
    method: 'GET',
    url: '/tasks/:taskID/result',
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'The result of a task',
      tags: ['tasks'],
      params: TaskParams,
      querystring: WaitQuery,
      headers: PreferHeader,
      response: {
        200: json('The task succeeded.', RunSuccess, TASK_HEADERS),
        202: json('The task still runs.', RunPending, PENDING_HEADERS),
        ...problems(402, 404, 422),
      },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      const mode = responseModeOf(request, { ...waits, defaultMs: 0 })
      const exchange = toHttpExchange(request, reply)
      if (mode.kind === 'async' || mode.wait.ms === 0) {
        applyPreference(reply, mode)
        const outcome = await runs.poll(exchange.context, taskID)
        return sendRunAnswer(reply, toRunAnswer(outcome, request, reply))
      }
      return answerFollow(runs, exchange, taskID, { kind: 'blocking', wait: mode.wait })
    },
  })
}

/** `GET /tasks/{taskID}/events`: the same as server-sent events. */
export function taskEvents(runs: Runs, waits: HttpWaits): Route {
  return defineRoute({
    method: 'GET',
    url: '/tasks/:taskID/events',
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'Follow a task by server-sent events',
      tags: ['tasks'],
      params: TaskParams,
      querystring: WaitQuery,
      response: {
        200: {
          description: 'progress, then one of success, failed, pending or error.',
          headers: TASK_HEADERS,
          content: { 'text/event-stream': { schema: Type.String() } },
        },
        ...problems(404),
      },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      const mode = responseModeOf(request, waits)
      const wait = mode.kind === 'async' ? { ms: 0, asked: false } : mode.wait
      const events: WaitingMode = { kind: 'events', wait, keepAliveMs: waits.keepAliveMs }
      return answerFollow(runs, toHttpExchange(request, reply), taskID, events)
    },
  })
}
