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
import { toHttpExchange } from '../request/caller-of.ts'
import { applyPreference, responseModeOf, type WaitLimits } from '../request/response-mode.ts'
import { taskIDOf } from '../request/task-id.ts'
import { answerWaiting } from './run-and-answer.ts'

/** `GET /tasks/{taskID}/result`: the answer that `/run` would give, at once or after a wait. */
export function taskResult(runs: Runs, waits: WaitLimits, now: () => number): Route {
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
      const form = responseModeOf(request, { ...waits, defaultMs: 0 })
      applyPreference(reply, form)
      const exchange = toHttpExchange(request, reply)
      if (form.kind === 'async' || form.wait.ms === 0) {
        return sendRunAnswer(reply, toRunAnswer(await runs.look(exchange.context, taskID), request))
      }
      const waiting = { kind: 'blocking', wait: form.wait } as const
      return answerWaiting(runs, exchange, waiting, async () => ({
        taskID,
        createdAtMs: now(),
        isNew: false,
      }))
    },
  })
}

/** `GET /tasks/{taskID}/events`: the same as server-sent events. */
export function taskEvents(runs: Runs, waits: WaitLimits, now: () => number): Route {
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
      const form = responseModeOf(request, waits)
      const wait = form.kind === 'async' ? { ms: 0, asked: false } : form.wait
      const exchange = toHttpExchange(request, reply)
      const waiting = { kind: 'events', wait, keepAliveMs: waits.keepAliveMs } as const
      return answerWaiting(runs, exchange, waiting, async () => ({
        taskID,
        createdAtMs: now(),
        isNew: false,
      }))
    },
  })
}
