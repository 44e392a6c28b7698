import { isJsonObject } from './json.ts'
import type { JsonSchema } from './json-schema.ts'

/** Where directory and save-path inputs have to lie (oomol-api.md). */
export const STORAGE_PREFIX = '/oomol-driver/oomol-storage/'

/** Inside the storage, and not out of it again. Ours, and linear: one dot-dot segment is looked for at each slash. */
const STORAGE_PATTERN = `^${STORAGE_PREFIX}(?!\\.\\.(?:/|$))(?:(?!/\\.\\.(?:/|$))[\\s\\S])*$`

type Mutable = Record<string, unknown>

/** A schema to check values with. `exact` is false when it takes more than the schema it was made of. */
export type Checkable = { schema: JsonSchema; exact: boolean; size: number }

type Guard = (value: unknown) => boolean
const isCount: Guard = (value) => Number.isSafeInteger(value) && Number(value) >= 0
const isFiniteNumber: Guard = (value) => Number.isFinite(value)
const isNames: Guard = (value) => Array.isArray(value) && value.every((name) => typeof name === 'string')

const TYPES: ReadonlySet<unknown> = new Set([
  'array',
  'boolean',
  'integer',
  'null',
  'number',
  'object',
  'string',
])

/** Keywords that hold no schema and are checked as they are, when they are as JSON Schema says. */
const PLAIN: Readonly<Record<string, Guard>> = {
  type: (value) => [value].flat().length > 0 && [value].flat().every((name) => TYPES.has(name)),
  enum: (value) => Array.isArray(value) && value.length > 0,
  const: () => true,
  maximum: isFiniteNumber,
  minimum: isFiniteNumber,
  exclusiveMaximum: isFiniteNumber,
  exclusiveMinimum: isFiniteNumber,
  multipleOf: (value) => isFiniteNumber(value) && Number(value) > 0,
  maxLength: isCount,
  minLength: isCount,
  maxItems: isCount,
  minItems: isCount,
  maxProperties: isCount,
  minProperties: isCount,
  required: isNames,
}

/**
 * Keywords that limit values and are passed over all the same: a regular expression of somebody else's can
 * take for ever (`pattern`, and `patternProperties` with it); comparing every item with every other is
 * quadratic where errors are gathered (`uniqueItems`); the rest is rare and depends on the order of checks.
 * `format` is an annotation by the standard's own default, and a storage path is no URI.
 */
const PASSED_OVER: ReadonlySet<string> = new Set([
  'additionalItems',
  'contains',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'format',
  'if',
  'maxContains',
  'minContains',
  'pattern',
  'patternProperties',
  'unevaluatedItems',
  'unevaluatedProperties',
  'uniqueItems',
])

/**
 * What of a standalone schema is checked: the keywords that cost no more than reading the value. Everything
 * else is passed over, so that a value is refused only if the whole schema would refuse it too.
 */
export function toCheckable(schema: JsonSchema): Checkable {
  if (!isJsonObject(schema)) return { schema, exact: true, size: 1 }
  const made: Mutable = {}
  const checkable = {
    schema: made,
    exact: !Object.keys(schema).some((name) => PASSED_OVER.has(name)),
    size: 1,
  }
  for (const [keyword, isSound] of Object.entries(PLAIN)) {
    const value = schema[keyword]
    if (value === undefined) continue
    if (isSound(value)) made[keyword] = value
    else checkable.exact = false
    if (Array.isArray(value)) checkable.size += value.length
  }
  if (isStorageWidget(schema['ui:widget'])) made.pattern = STORAGE_PATTERN
  addArrays(schema, made, checkable)
  addObjects(schema, made, checkable)
  addCombinations(schema, made, checkable)
  return checkable
}

/** Converts a schema inside another one, and counts it to that one. */
function convert(schema: unknown, outer: Checkable): Checkable {
  const inner = toCheckable(typeof schema === 'boolean' || isJsonObject(schema) ? schema : true)
  outer.size += inner.size
  if (!inner.exact) outer.exact = false
  return inner
}

function convertList(schemas: unknown, outer: Checkable): Checkable[] {
  return Array.isArray(schemas) ? schemas.map((schema) => convert(schema, outer)) : []
}

function addArrays(schema: Mutable, made: Mutable, outer: Checkable): void {
  const { items, prefixItems } = schema
  // A list under `items` is the draft of 2019; its `additionalItems` are passed over.
  const heads = convertList(prefixItems ?? items, outer)
  if (heads.length > 0) made.prefixItems = heads.map((head) => head.schema)
  if (items !== undefined && !Array.isArray(items)) made.items = convert(items, outer).schema
}

function addObjects(schema: Mutable, made: Mutable, outer: Checkable): void {
  const { properties, additionalProperties, patternProperties, propertyNames } = schema
  if (isJsonObject(properties)) {
    const named = Object.entries(properties).map(([name, item]) => [name, convert(item, outer).schema])
    made.properties = Object.fromEntries(named)
  }
  // Which properties are additional is not known while the patterns are passed over.
  if (additionalProperties !== undefined && patternProperties === undefined) {
    made.additionalProperties = convert(additionalProperties, outer).schema
  }
  if (propertyNames !== undefined) made.propertyNames = convert(propertyNames, outer).schema
}

/** Where something was passed over, a `not` would refuse more than before and `oneOf` could find two. */
function addCombinations(schema: Mutable, made: Mutable, outer: Checkable): void {
  const all = convertList(schema.allOf, outer)
  if (all.length > 0) made.allOf = all.map((part) => part.schema)
  const any = convertList(schema.anyOf, outer)
  if (any.length > 0) made.anyOf = any.map((part) => part.schema)
  const one = convertList(schema.oneOf, outer)
  if (one.length > 0) {
    const parts = one.map((part) => part.schema)
    if (one.every((part) => part.exact)) made.oneOf = parts
    else made.allOf = [...((made.allOf as JsonSchema[]) ?? []), { anyOf: parts }]
  }
  if (schema.not === undefined) return
  const not = convert(schema.not, outer)
  if (not.exact) made.not = not.schema
}

/**
 * Whether a `ui:widget` denotes a directory or a path to save to. Their names are not documented; seen are
 * `dir` and `save`, so every name that has `dir`, `directory` or `save` as a word counts.
 */
export function isStorageWidget(widget: unknown): boolean {
  if (typeof widget !== 'string') return false
  return widget
    .slice(0, 100)
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .some((word) => word === 'dir' || word === 'directory' || word === 'save')
}
