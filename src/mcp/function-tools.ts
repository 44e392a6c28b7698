import { type TSchema, Type } from 'typebox'
import type { CreateRequest } from '../domain/create-request.ts'
import type { JsonObject } from '../domain/json.ts'
import type { RequestContext } from '../services/caller.ts'
import { type RunToolParts, runAndWait } from './run-tools.ts'
import type { Tool } from './tool.ts'
import { RunOutput } from './tool-schemas.ts'

/** A named function as a tool shows it; `inputSchema` is a JSON Schema of an object. */
export type DescribedFunction = {
  name: string
  description: string
  inputSchema: Readonly<Record<string, unknown>>
  /** How long a run of it waits by default; left out: the gateway's own. */
  waitMs?: number
}

/** The named functions of a caller. */
export type FunctionCatalog = {
  /** Those the caller may run. */
  list(context: RequestContext): Promise<readonly DescribedFunction[]>
  /** The create of a run; `inputs` are the caller's own bytes. Throws `GatewayError` when they don't fit. */
  prepare(context: RequestContext, name: string, inputs: JsonObject): Promise<CreateRequest>
}

/** One tool for each named function. Its input is checked by the catalog, which knows what is filled in. */
export function toFunctionTool(
  parts: RunToolParts,
  catalog: FunctionCatalog,
  described: DescribedFunction,
): Tool {
  const { name, description, inputSchema, waitMs } = described
  const waits = waitMs === undefined ? parts.waits : { ...parts.waits, defaultMs: waitMs }
  return {
    name,
    title: name,
    description,
    scope: 'run',
    effect: 'runs',
    waits: true,
    input: Type.Unsafe<Record<string, unknown>>(inputSchema as TSchema),
    output: RunOutput,
    checksInput: true,
    run: (call) =>
      runAndWait({ ...parts, waits }, call, undefined, () => catalog.prepare(call.context, name, call.input)),
  }
}
