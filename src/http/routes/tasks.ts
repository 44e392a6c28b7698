import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { isTaskID } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import type { Runs } from '../../services/runs.ts'
import type { Tasks } from '../../services/tasks.ts'
import { answerWaiting } from '../answer-run.ts'
import { toContext, toExchange, traceOf } from '../caller.ts'
import { defineRoute, type Route } from '../route.ts'
import { sendRunAnswer, toRunAnswer } from '../run-answer.ts'
import { answerFormOf, applyPreference, type WaitLimits } from '../run-wait.ts'
import {
  json,
  NoQuery,
  PENDING_HEADERS,
  PreferHeader,
  problems,
  RunPending,
  RunSuccess,
  TASK_HEADERS,
  TaskParams,
  UpstreamObject,
  WaitQuery,
} from '../schemas.ts'

/** Where a route stands: each of these is a door of both surfaces. */
type Door = { url: string; tag: 'tasks' | 'native' }

const Word = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,2048}$', description }))

const ListQuery = Type.Object(
  {
    size: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$', description: '1 to 100.' })),
    nextToken: Type.Optional(
      Type.String({ pattern: '^[\\x21-\\x7e]{1,4096}$', description: 'From the page before.' }),
    ),
    status: Word('Only tasks of this status.'),
    taskType: Type.Optional(Type.Union([Type.Literal('user'), Type.Literal('shared')])),
    workload: Type.Optional(Type.Literal('serverless')),
    workloadID: Word('Only tasks of this workload.'),
    packageID: Word('Only tasks of this package.'),
  },
  { additionalProperties: false },
)

const LatestQuery = Type.Object(
  {
    workloadIDs: Type.String({
      pattern: '^[\\w.-]{1,200}(,[\\w.-]{1,200}){0,49}$',
      description: '1 to 50 workload ids, separated by commas.',
    }),
  },
  { additionalProperties: false },
)

const LogsQuery = Type.Object(
  {
    page: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,8}$', description: 'From 1, which is the default.' }),
    ),
  },
  { additionalProperties: false },
)

const TaskList = Type.Object({
  tasks: Type.Array(UpstreamObject),
  nextToken: Type.Union([Type.String(), Type.Null()]),
})

export function listTasks(tasks: Tasks, { url, tag }: Door): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'List tasks',
      tags: [tag],
      querystring: ListQuery,
      response: { 200: json('A page of tasks.', TaskList), ...problems() },
    },
    handler: async (request, reply) =>
      sendJson(reply, await tasks.list(toContext(request, reply), request.query)),
  })
}

export function latestTasks(tasks: Tasks, { url, tag }: Door): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'The latest task of each workload',
      tags: [tag],
      querystring: LatestQuery,
      response: { 200: json('One task a workload.', Type.Array(UpstreamObject)), ...problems() },
    },
    handler: async (request, reply) => {
      const workloadIDs = request.query.workloadIDs.split(',')
      return sendJson(reply, await tasks.latest(toContext(request, reply), workloadIDs))
    },
  })
}

export function taskDetail(tasks: Tasks, { url, tag }: Door): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'A task in detail',
      tags: [tag],
      params: TaskParams,
      querystring: NoQuery,
      response: { 200: json('The task.', UpstreamObject, TASK_HEADERS), ...problems(404) },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      return sendJson(reply, await tasks.detail(toContext(request, reply), taskID))
    },
  })
}

export function taskLogs(tasks: Tasks, { url, tag }: Door): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary: 'Logs of a task',
      tags: [tag],
      params: TaskParams,
      querystring: LogsQuery,
      response: {
        200: json('A page of logs.', Type.Object({ logs: Type.Array(UpstreamObject) }), TASK_HEADERS),
        ...problems(404),
      },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      const page = Number(request.query.page ?? '1')
      return sendJson(reply, await tasks.logs(toContext(request, reply), taskID, page))
    },
  })
}

/** `GET …/result` as upstream answers it. */
export function nativeTaskResult(tasks: Tasks, url: string): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary: "A task's result, as upstream gives it",
      tags: ['native'],
      params: TaskParams,
      querystring: NoQuery,
      response: { 200: json('The result, or the status.', UpstreamObject, TASK_HEADERS), ...problems(404) },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      return sendJson(reply, await tasks.result(toContext(request, reply), taskID))
    },
  })
}

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
      const form = answerFormOf(request, { ...waits, defaultMs: 0 })
      applyPreference(reply, form)
      const exchange = toExchange(request, reply)
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
      const form = answerFormOf(request, waits)
      const wait = form.kind === 'async' ? { ms: 0, asked: false } : form.wait
      const exchange = toExchange(request, reply)
      const waiting = { kind: 'events', wait, keepAliveMs: waits.keepAliveMs } as const
      return answerWaiting(runs, exchange, waiting, async () => ({
        taskID,
        createdAtMs: now(),
        isNew: false,
      }))
    },
  })
}

/** The id in the path, once it is known to be one; anything else does not exist, and upstream is not asked. */
function taskIDOf(request: FastifyRequest<{ Params: { taskID: string } }>, reply: FastifyReply): string {
  const { taskID } = request.params
  if (!isTaskID(taskID)) throw new GatewayError({ code: 'not_found', what: 'task' })
  traceOf(request).taskID = taskID
  reply.header('x-task-id', taskID)
  return taskID
}

/** Sends bytes that are known to be JSON as they are. */
export function sendJson(reply: FastifyReply, bytes: Buffer): FastifyReply {
  return reply.type('application/json').send(bytes)
}
