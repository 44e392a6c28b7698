import type { ListQuery, TaskApi } from '../../cloud/task-api.ts'
import type { UpstreamAnswer } from '../../cloud/upstream.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { latestTasks, listTasks } from './owned-lists.ts'

/**
 * Reads tasks, and reads and pauses their queue. Every method resolves to upstream's own bytes, lists cut to
 * the tasks that the caller may see, and rejects with `GatewayError`.
 */
export type Tasks = {
  list(context: RequestContext, query: ListQuery): Promise<Buffer>
  latest(context: RequestContext, workloadIDs: readonly string[]): Promise<Buffer>
  detail(context: RequestContext, taskID: string): Promise<Buffer>
  result(context: RequestContext, taskID: string): Promise<Buffer>
  logs(context: RequestContext, taskID: string, page: number): Promise<Buffer>
  dashboard(context: RequestContext): Promise<Buffer>
  setPaused(context: RequestContext, paused: boolean): Promise<Buffer>
}

export function createTasks(api: TaskApi, owners: Owners): Tasks {
  /** One read of one task. Throws `not_found` unless the caller may see the task. */
  const read = async (
    context: RequestContext,
    taskID: string,
    call: (callContext: ReturnType<typeof toCallContext>) => Promise<UpstreamAnswer>,
  ): Promise<Buffer> => {
    await owners.require(context, taskID)
    return (await call(toCallContext(context))).bytes
  }
  return {
    list: (context, query) => listTasks({ api, owners }, context, query),
    latest: (context, workloadIDs) => latestTasks({ api, owners }, context, workloadIDs),
    detail: (context, taskID) => read(context, taskID, (call) => api.detail(call, taskID)),
    result: (context, taskID) =>
      read(context, taskID, async (call) => (await api.result(call, taskID)).answer),
    logs: (context, taskID, page) => read(context, taskID, (call) => api.logs(call, taskID, page)),
    dashboard: async (context) => (await api.dashboard(toCallContext(context))).bytes,
    setPaused: async (context, paused) => (await api.setPaused(toCallContext(context), paused)).bytes,
  }
}
