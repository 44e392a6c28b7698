import { Check, Errors } from 'typebox/schema'
import type { BlockSchema } from './block-schema.ts'
import type { Issue } from './issue.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { JsonSchema } from './json-schema.ts'
import { STORAGE_PREFIX, type ValidatableSchema } from './validatable-schema.ts'

/** For inputs that do not exist, and for fixed inputs, which must look as if they did not. */
export const UNKNOWN_INPUT = 'is not known'

/** Most issues in one answer, over all inputs. */
const MAX_ISSUES = 50

/**
 * How much checking one request gets: bytes of values times nodes of their schemas, at worst about 0.15 s of
 * one core. Beyond the budget only the outermost level of a value is checked.
 */
const CHECK_BUDGET = 2 ** 20

/** Longest value, in bytes, for which each fault is listed. */
const DETAILED_BYTES = 64 * 1024

/**
 * Checks inputs against their block and changes nothing: no coercion, no defaults. `present` names the
 * inputs that the configuration sets, so a caller may leave them out. Empty when all inputs are valid.
 */
export function findInputIssues(
  block: BlockSchema,
  inputs: JsonObject,
  present: ReadonlySet<string>,
): Issue[] {
  const issues: Issue[] = []
  let budget = CHECK_BUDGET
  for (const { name, bytes } of inputs.members) {
    const input = block.inputs.get(name)
    const path = toPointer(name)
    if (block.unsettable.has(name)) issues.push({ path, message: "is a credential, which can't be set here" })
    else if (input === undefined) issues.push({ path, message: UNKNOWN_INPUT })
    else {
      const cost = bytes.length * input.check.size
      const schema = cost <= budget ? input.check.schema : toShallow(input.check)
      // Checking a string takes the same time whatever its length.
      if (cost <= budget && bytes[0] !== 0x22) budget -= cost
      issues.push(...findValueIssues(schema, inputs.value[name], path, bytes.length))
    }
  }
  for (const [name, { required }] of block.inputs) {
    const isSet = present.has(name) || Object.hasOwn(inputs.value, name)
    if (required && !isSet) issues.push({ path: toPointer(name), message: 'is required' })
  }
  return issues.slice(0, MAX_ISSUES)
}

/** A JSON Pointer (RFC 6901) to a top-level member. */
export function toPointer(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The outermost level of a schema. */
function toShallow({ schema }: ValidatableSchema): JsonSchema {
  if (!isJsonObject(schema)) return schema
  const { type, minItems, maxItems } = schema
  const keywords = Object.entries({ type, minItems, maxItems }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(keywords)
}

function findValueIssues(schema: JsonSchema, value: unknown, path: string, sizeBytes: number): Issue[] {
  if (Check(schema as object, value)) return []
  const general = [{ path, message: 'is not as its schema says' }]
  if (sizeBytes > DETAILED_BYTES) return general
  const issues = Errors(schema as object, value)[1].flatMap((error) => toIssues(error, path))
  return issues.length > 0 ? issues : general
}

type SchemaError = ReturnType<typeof Errors>[1][number]

/** The library's errors in our words, with the path of the property where the library names one. */
function toIssues(error: SchemaError, base: string): Issue[] {
  const path = base + error.instancePath
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: path + toPointer(name),
        message: 'is required',
      }))
    case 'additionalProperties':
      // The schema of each such property gives an error of its own.
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
