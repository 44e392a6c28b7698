import { type TSchema, Type } from 'typebox'
import type { FunctionDescription } from '../domain/function-description.ts'
import { isJsonObject } from '../domain/json.ts'
import { IDEMPOTENCY_KEY_RULE, isIdempotencyKey } from '../domain/names.ts'
import type { NamedFunctions } from '../services/functions/functions.ts'
import { KEY_ARGUMENT, toKeyUse, withoutMember } from './key-argument.ts'
import { type RunToolDeps, runAndAnswer, toWaitMs } from './run-tools.ts'
import { invalidArguments, type Tool, type ToolCall } from './tool.ts'
import { IdempotencyKey, RunOutput } from './tool-schemas.ts'

/** The named functions, as tools need them. */
export type FunctionCatalog = Pick<NamedFunctions, 'list' | 'describe' | 'prepare'>

/** One tool for a named function. Its input is checked by the catalog, which knows what is filled in. */
export function toFunctionTool(
  { runs, waits }: RunToolDeps,
  catalog: FunctionCatalog,
  described: FunctionDescription,
): Tool {
  const { name, description, inputSchema, waitMs } = described
  const ownWaitMs = toWaitMs(undefined, { defaultMs: waitMs ?? waits.defaultMs, maxMs: waits.maxMs })
  // A function may have an input of that name: then a call has no key.
  const takesKey = !Object.hasOwn(propertiesOf(inputSchema), KEY_ARGUMENT)
  return {
    name,
    title: name,
    description: `${description || 'Runs a function and waits for its result.'} Costs money.`,
    scope: 'run',
    effect: 'runs',
    waits: true,
    input: Type.Unsafe<Record<string, unknown>>(
      (takesKey ? withKey(inputSchema) : inputSchema) as unknown as TSchema,
    ),
    output: RunOutput,
    checksInput: true,
    run: (call) => {
      const key = takesKey ? keyOf(call) : undefined
      const inputs = takesKey ? withoutMember(call.input, KEY_ARGUMENT) : call.input
      return runAndAnswer(runs, call, ownWaitMs, async () => ({
        create: await catalog.prepare(call.context, name, inputs),
        keyUse: toKeyUse(key, `function ${name}`, inputs.bytes),
      }))
    },
  }
}

function keyOf({ input }: ToolCall): string | undefined {
  const key = input.value[KEY_ARGUMENT]
  if (key === undefined || isIdempotencyKey(key)) return key
  throw invalidArguments([{ path: `/${KEY_ARGUMENT}`, message: IDEMPOTENCY_KEY_RULE }])
}

function withKey(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...schema, properties: { ...propertiesOf(schema), [KEY_ARGUMENT]: IdempotencyKey } }
}

function propertiesOf({ properties }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return isJsonObject(properties) ? properties : {}
}
