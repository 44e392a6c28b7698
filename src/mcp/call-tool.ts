import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server'
import { Compile } from 'typebox/compile'
import type { JsonObject } from '../domain/json.ts'
import type { Log } from '../domain/log.ts'
import type { TaskState } from '../domain/task.ts'
import { GatewayError, taskIDOfError, toFailure } from '../errors.ts'
import type { RequestContext } from '../services/callers/request-context.ts'
import { createProgress } from './progress.ts'
import type { Tool } from './tool.ts'
import { toErrorResult, toToolResult } from './tool-result.ts'

const NOT_AS_DESCRIBED = 'The arguments are not as the tool describes them.'

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
    if (failure.code === 'internal') log.error({ err: error }, 'unforeseen error in a tool')
    trace.failure = failure.code
    const taskID = taskIDOfError(error) ?? trace.taskID
    return toErrorResult(tool, failure, taskID)
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
  const errors = [...check.Errors(input.value)].map(({ instancePath, message }) => ({
    path: instancePath,
    message,
  }))
  throw new GatewayError({ code: 'invalid_request', detail: NOT_AS_DESCRIBED, errors })
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
