import type { Runs } from '../../services/runs/runs.ts'
import { isForm } from '../body/form.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import {
  json,
  jsonBody,
  jsonOrFormBody,
  KeyHeader,
  NoQuery,
  PENDING_HEADERS,
  problems,
  RunHeaders,
  RunPending,
  RunSuccess,
  TASK_HEADERS,
  TaskCreated,
  WaitQuery,
} from '../openapi/schemas.ts'
import { toHttpExchange } from '../request/http-exchange.ts'
import type { HttpWaits } from '../request/response-mode.ts'
import { RunBody, readCreate, toSimplifiedCreate } from '../run/create-body.ts'
import { answerRun, createTask, sendCreated } from '../run/run-and-answer.ts'
import { type RunFormDeps, receiveRunForm } from '../run/run-form.ts'

export type RunRouteDeps = RunFormDeps & { runs: Runs; waits: HttpWaits }

/** `POST /run`: creates a task, waits, answers with its result. */
export function postRun(deps: RunRouteDeps): Route {
  return defineRoute({
    method: 'POST',
    url: '/run',
    config: { scope: 'run' },
    schema: {
      summary: 'Run a block and wait for its result',
      tags: ['runs'],
      querystring: WaitQuery,
      headers: RunHeaders,
      body: jsonOrFormBody(RunBody),
      response: {
        200: json(
          'The run succeeded; or, with Accept: text/event-stream, its events.',
          RunSuccess,
          TASK_HEADERS,
        ),
        202: json('The run goes on; ask for it by its id.', RunPending, PENDING_HEADERS),
        ...problems(402, 404, 408, 409, 413, 415, 422),
      },
    },
    handler: (request, reply) =>
      answerRun(deps, request, reply, (exchange, events) =>
        isForm(request)
          ? receiveRunForm(deps, exchange, events)
          : readCreate(exchange, deps.maxBodyBytes, toSimplifiedCreate),
      ),
  })
}

/** `POST /tasks`: creates a task and answers with its id at once. */
export function postTask({ runs, maxBodyBytes }: Pick<RunRouteDeps, 'runs' | 'maxBodyBytes'>): Route {
  return defineRoute({
    method: 'POST',
    url: '/tasks',
    config: { scope: 'run' },
    schema: {
      summary: 'Create a task',
      tags: ['tasks'],
      querystring: NoQuery,
      headers: KeyHeader,
      body: jsonBody(RunBody),
      response: {
        202: json('The task was created.', TaskCreated, PENDING_HEADERS),
        ...problems(402, 404, 408, 409, 413, 415, 422),
      },
    },
    handler: async (request, reply) => {
      const created = await createTask(runs, toHttpExchange(request, reply), (exchange) =>
        readCreate(exchange, maxBodyBytes, toSimplifiedCreate),
      )
      return sendCreated(created, reply)
    },
  })
}
