import type { ListQuery, TaskApi } from '../cloud/task-api.ts'
import { type RequestContext, toCallContext } from './caller.ts'

/** Reading tasks, and the queue they stand in. Each gives upstream's own bytes; throws `GatewayError`. */
export type Tasks = {
  list(context: RequestContext, query: ListQuery): Promise<Buffer>
  latest(context: RequestContext, workloadIDs: readonly string[]): Promise<Buffer>
  detail(context: RequestContext, taskID: string): Promise<Buffer>
  result(context: RequestContext, taskID: string): Promise<Buffer>
  logs(context: RequestContext, taskID: string, page: number): Promise<Buffer>
  dashboard(context: RequestContext): Promise<Buffer>
  setPaused(context: RequestContext, paused: boolean): Promise<Buffer>
}

export function createTasks(api: TaskApi): Tasks {
  return {
    list: async (context, query) => (await api.list(toCallContext(context), query)).bytes,
    latest: async (context, workloadIDs) => (await api.latest(toCallContext(context), workloadIDs)).bytes,
    detail: async (context, taskID) => (await api.detail(toCallContext(context), taskID)).bytes,
    result: async (context, taskID) => (await api.result(toCallContext(context), taskID)).answer.bytes,
    logs: async (context, taskID, page) => (await api.logs(toCallContext(context), taskID, page)).bytes,
    dashboard: async (context) => (await api.dashboard(toCallContext(context))).bytes,
    setPaused: async (context, paused) => (await api.setPaused(toCallContext(context), paused)).bytes,
  }
}
