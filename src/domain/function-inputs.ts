import type { BlockSchema } from './block-schema.ts'
import { toPointer, UNKNOWN_INPUT } from './input-check.ts'
import type { Issue } from './issue.ts'
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  joinMembers,
  parseJsonObject,
  toJsonBytes,
} from './json.ts'
import type { JsonSchema } from './json-schema.ts'
import type { FunctionConfig } from './named-function.ts'

/** Issues for the fixed inputs that a caller set. The text is that of an unknown input, so fixed names stay hidden. */
export function findFixedInputs({ fixed }: FunctionConfig, inputs: JsonObject): Issue[] {
  const named = inputs.members.filter(({ name }) => Object.hasOwn(fixed, name))
  return named.map(({ name }) => ({ path: toPointer(name), message: UNKNOWN_INPUT }))
}

/** The inputs that go upstream: the caller's byte for byte, the defaults of those it left out, the fixed values. */
export function mergeInputs({ inputs: defaults, fixed }: FunctionConfig, inputs: JsonObject): Buffer {
  const members = inputs.members.filter(({ name }) => !Object.hasOwn(fixed, name))
  const given = new Set(members.map(({ name }) => name))
  const filled = Object.entries(defaults).filter(([name]) => !given.has(name))
  return joinMembers([
    ...members,
    ...[...filled, ...Object.entries(fixed)].map(([name, value]) => ({ name, bytes: toJsonBytes(value) })),
  ])
}

/** The values of the configuration as inputs, so that they can be checked as a caller's are. */
export function toConfiguredInputs({ inputs, fixed }: FunctionConfig): JsonObject {
  const value = { ...inputs, ...fixed }
  const members = Object.entries(value).map(([name, item]) => ({ name, bytes: toJsonBytes(item) }))
  return { bytes: joinMembers(members), value, members }
}

/** A field of a multipart form: a text, or a file by the URL it was uploaded to. */
export type FormField = { name: string; text: string } | { name: string; url: string }

/**
 * Inputs from the fields of a form, each typed by its schema. Where the schema accepts a string, a text is that
 * string; otherwise it is JSON, passed on byte for byte. A file is its URL. Several files under one name are a
 * list, and so is a single file where the schema accepts only a list. Without a block every text is a string.
 */
export function toFunctionInputs(
  fields: readonly FormField[],
  block: BlockSchema | undefined,
): { inputs: JsonObject } | { issues: Issue[] } {
  const issues: Issue[] = []
  const members = [...groupByName(fields)].flatMap(([name, group]) => {
    const bytes = toMember(group, block?.inputs.get(name)?.schema ?? true)
    if (typeof bytes !== 'string') return [{ name, bytes }]
    issues.push({ path: toPointer(name), message: bytes })
    return []
  })
  if (issues.length > 0) return { issues }
  try {
    return { inputs: parseJsonObject(joinMembers(members)) }
  } catch (error) {
    if (error instanceof JsonError) return { issues: [{ path: '', message: error.message }] }
    throw error
  }
}

function groupByName(fields: readonly FormField[]): Map<string, FormField[]> {
  const groups = new Map<string, FormField[]>()
  for (const field of fields) {
    const group = groups.get(field.name)
    if (group === undefined) groups.set(field.name, [field])
    else group.push(field)
  }
  return groups
}

/** The value of one input as JSON, or a text that says what is wrong with it. */
function toMember(group: readonly FormField[], schema: JsonSchema): Buffer | string {
  const types = typesOf(schema)
  const takesText = types === undefined || types.has('string')
  const [first] = group
  if (first !== undefined && group.length === 1 && 'text' in first) {
    return takesText ? toJsonBytes(first.text) : toJsonValue(first.text, types)
  }
  const urls = group.flatMap((field) => ('url' in field ? [field.url] : []))
  if (urls.length !== group.length) return 'appears more than once'
  const isList = urls.length > 1 || (!takesText && types.has('array'))
  return toJsonBytes(isList ? urls : urls[0])
}

function toJsonValue(text: string, types: ReadonlySet<string>): Buffer | string {
  try {
    JSON.parse(text)
    return Buffer.from(text)
  } catch {
    return `must be ${[...types].join(' or ')}, written as JSON`
  }
}

/** The types that a schema names, also in its alternatives; undefined when it names none. */
function typesOf(schema: JsonSchema, depth = 0): ReadonlySet<string> | undefined {
  if (!isJsonObject(schema) || depth > 5) return undefined
  const { type, enum: values, const: only } = schema
  if (type !== undefined) return new Set([type].flat().map(String))
  if (Array.isArray(values)) return new Set(values.map(typeOf))
  if (only !== undefined) return new Set([typeOf(only)])
  const alternatives = [schema.anyOf, schema.oneOf].flat().filter(isJsonObject)
  const named = alternatives.map((alternative) => typesOf(alternative, depth + 1))
  if (named.length === 0 || named.includes(undefined)) return undefined
  return new Set(named.flatMap((types) => [...(types ?? [])]))
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
