import { isJsonObject } from '../domain/json.ts'
import { isTaskID } from '../domain/names.ts'
import { type TaskState, toTaskState } from '../domain/task.ts'
import { type TaskPage, toTaskPage } from '../domain/task-page.ts'
import {
  type CallContext,
  toAnswerObject,
  type Upstream,
  type UpstreamAnswer,
  unreadable,
} from './upstream.ts'

/** The query of a list in upstream's own words; its values were checked before. */
export type ListQuery = {
  size?: string
  nextToken?: string | undefined
  status?: string | undefined
  taskType?: string
  workload?: string
  workloadID?: string
  packageID?: string
}

/** The task API (`oomol-api.md`). Everything throws `GatewayError`; ids were checked with `isTaskID`. */
export type TaskApi = {
  /** Sends the body unchanged, once, unless it is too late just before. `answer` is upstream's own. */
  create(
    context: CallContext,
    body: Buffer,
    isTooLate?: () => boolean,
  ): Promise<{ taskID: string; answer: UpstreamAnswer }>
  list(context: CallContext, query: ListQuery): Promise<UpstreamAnswer>
  /** The same list, parsed. */
  page(context: CallContext, query: ListQuery): Promise<TaskPage>
  latest(context: CallContext, workloadIDs: readonly string[]): Promise<UpstreamAnswer>
  detail(context: CallContext, taskID: string): Promise<UpstreamAnswer>
  result(context: CallContext, taskID: string): Promise<{ state: TaskState; answer: UpstreamAnswer }>
  logs(context: CallContext, taskID: string, page: number): Promise<UpstreamAnswer>
  dashboard(context: CallContext): Promise<UpstreamAnswer>
  setPaused(context: CallContext, paused: boolean): Promise<UpstreamAnswer>
}

const TASKS = '/v3/users/me/tasks'

export function createTaskApi(upstream: Upstream): TaskApi {
  const read = (
    context: CallContext,
    operation: 'list' | 'latest' | 'detail' | 'result' | 'logs' | 'dashboard',
    path: string,
  ) => upstream.call(context, { operation, method: 'GET', path })

  return {
    create: async (context, body, isTooLate) => {
      const answer = await upstream.call(context, {
        operation: 'create',
        method: 'POST',
        path: TASKS,
        body,
        isTooLate,
      })
      const taskID = isJsonObject(answer.value) ? answer.value.taskID : undefined
      // An id that could become another path is as unreadable as a missing one.
      if (typeof taskID !== 'string' || !isTaskID(taskID)) throw unreadable('create')
      return { taskID, answer }
    },
    list: (context, query) => read(context, 'list', `${TASKS}${toQuery(query)}`),
    page: async (context, query) => {
      const { value } = await read(context, 'list', `${TASKS}${toQuery(query)}`)
      const page = toTaskPage(value)
      if (page === undefined) throw unreadable('list')
      return page
    },
    latest: (context, workloadIDs) =>
      read(context, 'latest', `${TASKS}/latest${toQuery({ workloadIDs: workloadIDs.join(',') })}`),
    detail: (context, taskID) => read(context, 'detail', `${TASKS}/${taskID}`),
    result: async (context, taskID) => {
      const answer = await read(context, 'result', `${TASKS}/${taskID}/result`)
      const state = toTaskState(toAnswerObject(answer, 'result'))
      if (state === undefined) throw unreadable('result')
      return { state, answer }
    },
    logs: (context, taskID, page) => read(context, 'logs', `${TASKS}/${taskID}/logs?page=${page}`),
    dashboard: (context) => read(context, 'dashboard', '/v3/users/me/dashboard'),
    setPaused: (context, paused) => {
      const operation = paused ? 'pause' : 'resume'
      return upstream.call(context, {
        operation,
        method: 'POST',
        path: `/v3/user/${operation}`,
        body: EMPTY_OBJECT,
      })
    },
  }
}

const EMPTY_OBJECT = Buffer.from('{}')

function toQuery(query: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.append(name, value)
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
