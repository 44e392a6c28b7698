import { type Static, type TSchema, Type } from 'typebox'
import type { RequestContext } from '../../services/callers/request-context.ts'
import type { Tasks } from '../../services/tasks/tasks.ts'
import { sendJson } from '../answer/send-json.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import { json, NoQuery, problems, TASK_HEADERS, TaskParams, UpstreamObject } from '../openapi/schemas.ts'
import { toContext } from '../request/caller-of.ts'
import { taskIDOf } from '../request/task-id.ts'

/** Where a route stands: each of these is a door of both surfaces. */
type RouteAddress = { url: string; tag: 'tasks' | 'native' }

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

export function listTasks(tasks: Tasks, { url, tag }: RouteAddress): Route {
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

export function latestTasks(tasks: Tasks, { url, tag }: RouteAddress): Route {
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

export function taskDetail(tasks: Tasks, door: RouteAddress): Route {
  const about = { summary: 'A task in detail', query: NoQuery, answer: UpstreamObject }
  return taskRoute(door, about, (context, taskID) => tasks.detail(context, taskID))
}

export function taskLogs(tasks: Tasks, door: RouteAddress): Route {
  const answer = Type.Object({ logs: Type.Array(UpstreamObject) })
  return taskRoute(
    door,
    { summary: 'Logs of a task', query: LogsQuery, answer },
    (context, taskID, { page }) => tasks.logs(context, taskID, Number(page ?? '1')),
  )
}

/** `GET …/result` as upstream answers it: the result, or how far the task is. */
export function nativeTaskResult(tasks: Tasks, url: string): Route {
  const about = { summary: "A task's result, as upstream gives it", query: NoQuery, answer: UpstreamObject }
  return taskRoute({ url, tag: 'native' }, about, (context, taskID) => tasks.result(context, taskID))
}

/** A route that reads something of one task. */
function taskRoute<Query extends TSchema>(
  { url, tag }: RouteAddress,
  { summary, query, answer }: { summary: string; query: Query; answer: TSchema },
  read: (context: RequestContext, taskID: string, query: Static<Query>) => Promise<Buffer>,
): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'tasks:read' },
    schema: {
      summary,
      tags: [tag],
      params: TaskParams,
      querystring: query,
      response: { 200: json("Upstream's answer.", answer, TASK_HEADERS), ...problems(404) },
    },
    handler: async (request, reply) => {
      const taskID = taskIDOf(request, reply)
      return sendJson(reply, await read(toContext(request, reply), taskID, request.query as Static<Query>))
    },
  })
}
