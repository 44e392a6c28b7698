import type { CallToolResult } from '@modelcontextprotocol/server'
import { describeFailure, type Failure, isTaskFailure } from '../errors.ts'
import type { Tool, ToolOutput } from './tool.ts'

/** The result of a call that went well. */
export function toToolResult({ structured, text }: ToolOutput): CallToolResult {
  return { content: [{ type: 'text', text }], structuredContent: structured }
}

/**
 * The result of a call that went wrong, for a model to read. Once a tool that runs something knows its task,
 * nothing says that the call may be repeated: a repeat would be a second task, paid for again.
 */
export function toErrorResult(
  { effect, waits }: Pick<Tool, 'effect' | 'waits'>,
  failure: Failure,
  taskID: string | undefined,
): CallToolResult {
  const { detail, retryable, retryAfterSeconds, errors } = describeFailure(failure)
  const hasEnded = isTaskFailure(failure)
  const goesOn = taskID !== undefined && !hasEnded && failure.code !== 'not_found'
  const body = {
    code: failure.code,
    message: detail,
    ...(taskID === undefined ? {} : { taskID }),
    ...(taskID !== undefined && hasEnded ? { status: 'failed' } : {}),
    ...(errors === undefined ? {} : { errors }),
    retryable: retryable && (taskID === undefined || effect === 'reads'),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(goesOn && waits ? { next: howToGoOn(taskID) } : {}),
  }
  return { content: [{ type: 'text', text: JSON.stringify(body) }], isError: true }
}

/** How a model goes on with a task that has not ended. */
export function howToGoOn(taskID: string): string {
  return `The task exists and is being paid for. Call await_result with taskID ${taskID} to get its result; running it again would be another task.`
}
