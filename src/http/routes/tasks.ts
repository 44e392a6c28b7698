import { type Static, type TSchema, Type } from 'typebox'
import { WORKLOAD_ID_PATTERN } from '../../domain/names.ts'
import type { RequestContext } from '../../services/callers/request-context.ts'
import { LIST_FILTERS, MAX_PAGE_SIZE, MAX_WORKLOADS } from '../../services/tasks/task-queries.ts'
import type { Tasks } from '../../services/tasks/tasks.ts'
import { sendJson } from '../answer/send-json.ts'
import { defineRoute, type Route, type RouteAddress } from '../openapi/route.ts'
import { json, NoQuery, problems, TASK_HEADERS, TaskParams, UpstreamObject } from '../openapi/schemas.ts'
import { toContext } from '../request/http-exchange.ts'
import { taskIDOf } from '../request/task-id.ts'

const WORKLOAD = WORKLOAD_ID_PATTERN.slice(1, -1)

const ListQuery = Type.Object(
  {
    size: Type.Optional(
      Type.String({ pattern: '^([1-9][0-9]?|100)$', description: `1 to ${MAX_PAGE_SIZE}.` }),
    ),
    ...LIST_FILTERS,
  },
  { additionalProperties: false },
)

const LatestQuery = Type.Object(
  {
    workloadIDs: Type.String({
      pattern: `^${WORKLOAD}(,${WORKLOAD}){0,${MAX_WORKLOADS - 1}}$`,
      description: `1 to ${MAX_WORKLOADS} workload ids, separated by commas.`,
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

/** `GET /tasks` and its native twin: a page of the caller's tasks, in upstream's own bytes. */
export function listTasks(tasks: Tasks, { url, tag }: RouteAddress<'tasks'>): Route {
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

/** `GET …/latest`: the latest task of each workload that the query names. */
export function latestTasks(tasks: Tasks, { url, tag }: RouteAddress<'tasks'>): Route {
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

/** `GET …/{taskID}`: the task as upstream describes it. */
export function taskDetail(tasks: Tasks, address: RouteAddress<'tasks'>): Route {
  const about = { summary: 'A task in detail', query: NoQuery, answer: UpstreamObject }
  return taskRoute(address, about, (context, taskID) => tasks.detail(context, taskID))
}

/** `GET …/{taskID}/logs`: a page of its logs, from 1. */
export function taskLogs(tasks: Tasks, address: RouteAddress<'tasks'>): Route {
  const answer = Type.Object({ logs: Type.Array(UpstreamObject) })
  return taskRoute(
    address,
    { summary: 'Logs of a task', query: LogsQuery, answer },
    (context, taskID, { page }) => tasks.logs(context, taskID, Number(page ?? '1')),
  )
}

/** `GET …/result` as upstream answers it: the result, or the progress of the task. */
export function nativeTaskResult(tasks: Tasks, url: string): Route {
  const about = { summary: "A task's result, as upstream gives it", query: NoQuery, answer: UpstreamObject }
  return taskRoute({ url, tag: 'native' }, about, (context, taskID) => tasks.result(context, taskID))
}

/** A route that reads something of one task. */
function taskRoute<Query extends TSchema>(
  { url, tag }: RouteAddress<'tasks'>,
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
