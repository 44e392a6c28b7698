import { type TSchema, Type } from 'typebox'
import type { FunctionDescription } from '../domain/function-description.ts'
import type { NamedFunctions } from '../services/functions.ts'
import { type RunToolParts, runAndWait } from './run-tools.ts'
import type { Tool } from './tool.ts'
import { RunOutput } from './tool-schemas.ts'

/** The named functions, as tools need them. */
export type FunctionCatalog = Pick<NamedFunctions, 'list' | 'describe' | 'prepare'>

/** One tool for a named function. Its input is checked by the catalog, which knows what is filled in. */
export function toFunctionTool(
  parts: RunToolParts,
  catalog: FunctionCatalog,
  described: FunctionDescription,
): Tool {
  const { name, description, inputSchema, waitMs } = described
  const waits = waitMs === undefined ? parts.waits : { ...parts.waits, defaultMs: waitMs }
  return {
    name,
    title: name,
    description: `${description || 'Runs a function and waits for its result.'} Costs money.`,
    scope: 'run',
    effect: 'runs',
    waits: true,
    input: Type.Unsafe<Record<string, unknown>>(inputSchema as unknown as TSchema),
    output: RunOutput,
    checksInput: true,
    run: (call) =>
      runAndWait({ ...parts, waits }, call, undefined, () => catalog.prepare(call.context, name, call.input)),
  }
}
