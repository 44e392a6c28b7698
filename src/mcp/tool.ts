import type { TSchema } from 'typebox'
import type { Scope } from '../domain/caller.ts'
import type { Issue } from '../domain/issue.ts'
import type { JsonObject } from '../domain/json.ts'
import type { TaskState } from '../domain/task.ts'
import { GatewayError } from '../errors.ts'
import type { RequestContext } from '../services/callers/request-context.ts'

/** What a tool is called with. `input` was checked against the tool's schema; its bytes are the caller's own. */
export type ToolCall = {
  /** Its signal aborts when the caller has left or cancelled the call. */
  context: RequestContext
  input: JsonObject
  /** Reports the state of a task to the caller as progress, if it asked for that. Needs no `this`. */
  readonly reportState: (taskID: string, state: TaskState) => void
}

/** What a tool answers: `structured` fits the tool's output schema, `text` is the same as exact JSON. */
export type ToolOutput = { structured: Record<string, unknown>; text: string }

/** How far a tool reaches, for clients that ask a person before they call one. */
export type ToolEffect = 'reads' | 'writes' | 'runs'

/** One MCP tool. `run` throws `GatewayError` for everything that can be foreseen to go wrong. */
export type Tool = {
  readonly name: string
  readonly title: string
  readonly description: string
  /** The scope a caller needs; without it the tool is neither listed nor callable. */
  readonly scope: Scope
  readonly effect: ToolEffect
  /** Whether it waits for a task, so that its answer is a stream kept alive. */
  readonly waits: boolean
  /** JSON Schemas of an object each. */
  readonly input: TSchema
  readonly output: TSchema
  /** Whether `run` checks its input itself, because the schema alone does not say what fits. */
  readonly checksInput?: boolean
  run(call: ToolCall): Promise<ToolOutput>
}

/** An output from one JSON object as bytes: the text keeps every digit, the parsed form what JavaScript can. */
export function toOutput(json: Buffer): ToolOutput {
  const text = json.toString('utf8')
  return { text, structured: JSON.parse(text) }
}

/** An output of values that JavaScript can hold. */
export function toStructuredOutput(structured: Record<string, unknown>): ToolOutput {
  return { structured, text: JSON.stringify(structured) }
}

/** The error of a call whose arguments don't fit the tool: `invalid_request`, with what is wrong with each. */
export function invalidArguments(errors: readonly Issue[]): GatewayError {
  const detail = 'Change the arguments that errors lists: they do not fit the tool.'
  return new GatewayError({ code: 'invalid_request', detail, errors })
}
