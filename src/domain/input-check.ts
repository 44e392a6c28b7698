import { Check, Errors } from 'typebox/schema'
import type { BlockSchema } from './block-schema.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { JsonSchema } from './json-schema.ts'
import { type Checkable, STORAGE_PREFIX } from './validatable-schema.ts'

/** What is wrong with an input: where, as a JSON Pointer into the inputs, and what. */
export type InputProblem = { path: string; message: string }

/** Said of inputs that do not exist, and of those that must not seem to. */
export const UNKNOWN_INPUT = 'is not known'

/** Problems told at most, over all inputs. */
const MAX_PROBLEMS = 50

/**
 * How much checking one request gets: bytes of values times nodes of their schemas, about 0.15 s at worst on
 * one core. Beyond it only the outermost level of a value is checked.
 */
const CHECK_BUDGET = 2 ** 20

/** Longest value whose faults are looked for one by one, in bytes. */
const DETAILED_BYTES = 64 * 1024

/**
 * Checks inputs against their block and changes nothing: no coercion, no defaults. `present` names the
 * inputs that are set by somebody else; they are not looked at. Empty when all is well.
 */
export function findInputProblems(
  block: BlockSchema,
  inputs: JsonObject,
  present: ReadonlySet<string>,
): InputProblem[] {
  const problems: InputProblem[] = []
  let budget = CHECK_BUDGET
  for (const { name, bytes } of inputs.members) {
    const input = block.inputs.get(name)
    const path = toPointer(name)
    if (block.unsettable.has(name))
      problems.push({ path, message: 'is a credential, which can not be set here' })
    else if (input === undefined) problems.push({ path, message: UNKNOWN_INPUT })
    else {
      const cost = bytes.length * input.check.size
      const schema = cost <= budget ? input.check.schema : toShallow(input.check)
      // A text costs nothing, however long.
      if (cost <= budget && bytes[0] !== 0x22) budget -= cost
      problems.push(...findValueProblems(schema, inputs.value[name], path, bytes.length))
    }
  }
  for (const [name, { required }] of block.inputs) {
    const isSet = present.has(name) || Object.hasOwn(inputs.value, name)
    if (required && !isSet) problems.push({ path: toPointer(name), message: 'is required' })
  }
  return problems.slice(0, MAX_PROBLEMS)
}

/** A JSON Pointer (RFC 6901) to a top-level member. */
export function toPointer(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The outermost level of a schema. */
function toShallow({ schema }: Checkable): JsonSchema {
  if (!isJsonObject(schema)) return schema
  const { type, minItems, maxItems } = schema
  const keywords = Object.entries({ type, minItems, maxItems }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(keywords)
}

function findValueProblems(
  schema: JsonSchema,
  value: unknown,
  path: string,
  sizeBytes: number,
): InputProblem[] {
  if (Check(schema as object, value)) return []
  const general = [{ path, message: 'is not as its schema says' }]
  if (sizeBytes > DETAILED_BYTES) return general
  const problems = Errors(schema as object, value)[1].flatMap((error) => toProblems(error, path))
  return problems.length > 0 ? problems : general
}

type SchemaError = ReturnType<typeof Errors>[1][number]

/** The library's errors in our words; where the place of the fault is known more exactly, that place. */
function toProblems(error: SchemaError, base: string): InputProblem[] {
  const path = base + error.instancePath
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: path + toPointer(name),
        message: 'is required',
      }))
    case 'additionalProperties':
      // Told of each such property by the error of its own schema.
      return []
    case 'boolean':
      return [{ path, message: UNKNOWN_INPUT }]
    case 'enum':
      return [{ path, message: `must be one of ${listValues(error.params.allowedValues)}` }]
    case 'pattern':
      return [{ path, message: `must begin with ${STORAGE_PREFIX} and stay inside it` }]
    default:
      return [{ path, message: error.message }]
  }
}

function listValues(values: readonly unknown[]): string {
  const text = values
    .slice(0, 20)
    .map((value) => JSON.stringify(value))
    .join(', ')
  return text.length > 300 || values.length > 20 ? 'the values in its schema' : text
}
