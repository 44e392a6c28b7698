import { isJsonObject } from './json.ts'
import type { JsonSchema } from './json-schema.ts'

/** Inputs that are a directory or a path to save to must begin with this (oomol-api.md). */
export const STORAGE_PREFIX = '/oomol-driver/oomol-storage/'

/** A path inside the storage, without `..` segments. Linear: at each slash it tests for one such segment. */
const STORAGE_PATTERN = `^${STORAGE_PREFIX}(?!\\.\\.(?:/|$))(?:(?!/\\.\\.(?:/|$))[\\s\\S])*$`

type Mutable = Record<string, unknown>

/**
 * The validatable subset of a schema. `exact` is false when it accepts more than the schema it was made from.
 * `size` is the number of its nodes and listed values: what one check costs.
 */
export type ValidatableSchema = { schema: JsonSchema; exact: boolean; size: number }

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

/** Keywords without schemas inside. They are validated as they are, if their value is what JSON Schema allows. */
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
 * Keywords that limit values and are ignored: a foreign regular expression can run for hours (`pattern`, and
 * `patternProperties` with it); comparing every item with every other is quadratic when errors are collected
 * (`uniqueItems`); the others are rare and depend on the order of checks. `format` is an annotation by the
 * standard's own default, and a storage path is not a URI.
 */
const IGNORED: ReadonlySet<string> = new Set([
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
 * The validatable subset of a standalone schema: the keywords that cost no more than reading the value. All
 * others are ignored, so the subset rejects a value only if the whole schema rejects it too.
 */
export function toValidatable(schema: JsonSchema): ValidatableSchema {
  if (!isJsonObject(schema)) return { schema, exact: true, size: 1 }
  const made: Mutable = {}
  const validatable = {
    schema: made,
    exact: !Object.keys(schema).some((name) => IGNORED.has(name)),
    size: 1,
  }
  for (const [keyword, isValid] of Object.entries(PLAIN)) {
    const value = schema[keyword]
    if (value === undefined) continue
    if (isValid(value)) made[keyword] = value
    else validatable.exact = false
    if (Array.isArray(value)) validatable.size += value.length
  }
  if (isStorageWidget(schema['ui:widget'])) made.pattern = STORAGE_PATTERN
  addArrays(schema, made, validatable)
  addObjects(schema, made, validatable)
  addCombinations(schema, made, validatable)
  return validatable
}

/** Converts a schema inside another one, and counts it to that one. */
function convert(schema: unknown, outer: ValidatableSchema): ValidatableSchema {
  const inner = toValidatable(typeof schema === 'boolean' || isJsonObject(schema) ? schema : true)
  outer.size += inner.size
  if (!inner.exact) outer.exact = false
  return inner
}

function convertList(schemas: unknown, outer: ValidatableSchema): ValidatableSchema[] {
  return Array.isArray(schemas) ? schemas.map((schema) => convert(schema, outer)) : []
}

function addArrays(schema: Mutable, made: Mutable, outer: ValidatableSchema): void {
  const { items, prefixItems } = schema
  // A list under `items` is the draft of 2019; its `additionalItems` are ignored.
  const heads = convertList(prefixItems ?? items, outer)
  if (heads.length > 0) made.prefixItems = heads.map((head) => head.schema)
  if (items !== undefined && !Array.isArray(items)) made.items = convert(items, outer).schema
}

function addObjects(schema: Mutable, made: Mutable, outer: ValidatableSchema): void {
  const { properties, additionalProperties, patternProperties, propertyNames } = schema
  if (isJsonObject(properties)) {
    const named = Object.entries(properties).map(([name, item]) => [name, convert(item, outer).schema])
    made.properties = Object.fromEntries(named)
  }
  // Which properties are additional is unknown while the patterns are ignored.
  if (additionalProperties !== undefined && patternProperties === undefined) {
    made.additionalProperties = convert(additionalProperties, outer).schema
  }
  if (propertyNames !== undefined) made.propertyNames = convert(propertyNames, outer).schema
}

/** With ignored keywords inside, a `not` would reject more than the whole schema, and a `oneOf` could match twice. */
function addCombinations(schema: Mutable, made: Mutable, outer: ValidatableSchema): void {
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
 * Whether a `ui:widget` is for a directory or a path to save to. The names are not documented; `dir` and `save`
 * occur, so every name with `dir`, `directory` or `save` as a word counts.
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
