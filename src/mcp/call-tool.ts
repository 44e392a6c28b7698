import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server'
import { Compile } from 'typebox/compile'
import { toIssues } from '../domain/issue.ts'
import type { JsonObject } from '../domain/json.ts'
import type { Log } from '../domain/log.ts'
import type { TaskState } from '../domain/task.ts'
import { noteFailure, taskIDOfError, toFailure } from '../errors.ts'
import type { RequestContext } from '../services/callers/request-context.ts'
import { createProgress } from './progress.ts'
import { invalidArguments, type Tool } from './tool.ts'
import { toErrorResult, toToolResult } from './tool-result.ts'

/** Calls a tool; an error becomes a result that says so. `context.signal` aborts when the call is over. */
export async function callTool(
  tool: Tool,
  input: JsonObject,
  context: RequestContext,
  request: ServerContext['mcpReq'],
  log: Pick<Log, 'error'>,
): Promise<CallToolResult> {
  // Each call has a task of its own, which a batch must not mix up.
  const trace = { ...context.trace }
  delete trace.taskID
  try {
    checkInput(tool, input)
    const reportState = createReportState(request)
    return toToolResult(await tool.run({ context: { ...context, trace }, input, reportState }))
  } catch (error) {
    const failure = toFailure(error)
    noteFailure(failure, error, trace, log)
    return toErrorResult(tool, failure, taskIDOfError(error, trace))
  } finally {
    Object.assign(context.trace, trace)
  }
}

const checks = new WeakMap<object, ReturnType<typeof Compile>>()

/** Throws `invalid_request` naming each argument that does not fit. */
function checkInput(tool: Tool, input: JsonObject): void {
  if (tool.checksInput) return
  let check = checks.get(tool.input)
  if (check === undefined) {
    check = Compile(tool.input)
    checks.set(tool.input, check)
  }
  if (check.Check(input.value)) return
  throw invalidArguments(toIssues(check.Errors(input.value)))
}

/** Sends progress when the caller asked for it with a token; sending to a caller that is gone does nothing. */
function createReportState(request: ServerContext['mcpReq']): (taskID: string, state: TaskState) => void {
  const progressToken = request._meta?.progressToken
  if (progressToken === undefined) return () => {}
  const toProgress = createProgress()
  return (taskID, state) => {
    const progress = toProgress(taskID, state)
    if (progress === undefined) return
    request
      .notify({ method: 'notifications/progress', params: { progressToken, ...progress } })
      .catch(() => {})
  }
}
