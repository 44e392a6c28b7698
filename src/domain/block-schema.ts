import { isJsonObject } from './json.ts'
import { type JsonSchema, type SchemaBudget, toStandaloneSchema } from './json-schema.ts'
import { isBlockName, isPackageName, isPackageVersion } from './names.ts'
import { toValidatable, type ValidatableSchema } from './validatable-schema.ts'

/** Bounds far above real packages: handles of a block, blocks of a package, characters of a description. */
const MAX_HANDLES = 500
const MAX_BLOCKS = 1_000
const MAX_TEXT = 4_096
/** Nodes of all schemas of a package; a small answer can unfold into many. */
const MAX_PACKAGE_NODES = 50_000

/** An input of a block. Callers see `schema`; values are validated with `check`. */
type BlockInput = {
  readonly schema: JsonSchema
  readonly check: ValidatableSchema
  readonly required: boolean
}

/** A block as far as its callers need it. */
export type BlockSchema = {
  readonly description: string | undefined
  readonly inputs: ReadonlyMap<string, BlockInput>
  /** Inputs that exist but can't be set through the API: credentials. */
  readonly unsettable: ReadonlySet<string>
  /** JSON Schema of the object of outputs. */
  readonly output: Readonly<Record<string, unknown>>
}

/** A package from the registry. The version is the exact one, also when a tag was asked for. */
export type PackageSchemas = {
  readonly packageName: string
  readonly packageVersion: string
  readonly blocks: ReadonlyMap<string, BlockSchema>
  /** How many nodes its schemas have, for estimating their memory. */
  readonly nodes: number
}

/** Reads the registry's answer; undefined if it is not a package. A malformed schema inside accepts any value. */
export function toPackageSchemas(info: unknown): PackageSchemas | undefined {
  if (!isJsonObject(info)) return undefined
  const { packageName, packageVersion, blocks } = info
  if (typeof packageName !== 'string' || !isPackageName(packageName)) return undefined
  if (typeof packageVersion !== 'string' || !isPackageVersion(packageVersion)) return undefined
  const found = new Map<string, BlockSchema>()
  const budget = { nodes: MAX_PACKAGE_NODES }
  for (const block of objectsOf(blocks, MAX_BLOCKS)) {
    const { blockName } = block
    if (typeof blockName === 'string' && isBlockName(blockName))
      found.set(blockName, toBlockSchema(block, budget))
  }
  return { packageName, packageVersion, blocks: found, nodes: MAX_PACKAGE_NODES - Math.max(0, budget.nodes) }
}

function toBlockSchema(block: Handle, budget: SchemaBudget): BlockSchema {
  const inputs = new Map<string, BlockInput>()
  const unsettable = new Set<string>()
  for (const handle of objectsOf(block.inputHandleDefs, MAX_HANDLES)) {
    const { handle: name } = handle
    if (typeof name !== 'string') continue
    if (isCredential(handle)) unsettable.add(name)
    else inputs.set(name, toInput(handle, budget))
  }
  return { description: toText(block.description), inputs, unsettable, output: toOutput(block, budget) }
}

type Handle = { readonly [key: string]: unknown }

function isCredential({ json_schema: schema }: Handle): boolean {
  return isJsonObject(schema) && schema.contentMediaType === 'oomol/credential'
}

/** Whether an input is optional follows the rules in oomol-api.md. */
function toInput(handle: Handle, budget: SchemaBudget): BlockInput {
  const { value, nullable } = handle
  const schema = toHandleSchema(handle, budget)
  const given = handle.json_schema
  const hasDefault = isJsonObject(given) && given.default !== undefined
  const hasValue = value !== undefined && value !== null
  const optional = hasValue || hasDefault || (nullable === true && value === null)
  const shown = hasValue ? withKeys(schema, { default: value }) : schema
  return { schema: shown, check: toValidatable(schema), required: !optional }
}

function toOutput(block: Handle, budget: SchemaBudget): Record<string, unknown> {
  const properties = new Map<string, JsonSchema>()
  for (const handle of objectsOf(block.outputHandleDefs, MAX_HANDLES)) {
    if (typeof handle.handle === 'string') properties.set(handle.handle, toHandleSchema(handle, budget))
  }
  return { type: 'object', properties: Object.fromEntries(properties) }
}

/** The schema of a handle with its description; a handle without a schema accepts any value. */
function toHandleSchema(
  { json_schema: given, nullable, description }: Handle,
  budget: SchemaBudget,
): JsonSchema {
  const schema = given === undefined || given === null ? true : toStandaloneSchema(given, budget)
  const text = toText(description)
  const taken = nullable === true ? orNull(schema) : schema
  return text === undefined ? taken : withKeys(taken, { description: text })
}

function orNull(schema: JsonSchema): JsonSchema {
  if (schema === true) return true
  if (schema === false) return { type: 'null' }
  // The plain form where it means the same, because clients draw better forms from it.
  const isPlain = typeof schema.type === 'string' && schema.enum === undefined && schema.const === undefined
  const combines = ['allOf', 'anyOf', 'not', 'oneOf'].some((keyword) => schema[keyword] !== undefined)
  if (isPlain && !combines)
    return schema.type === 'null' ? schema : { ...schema, type: [schema.type, 'null'] }
  const { default: fallback, ...rest } = schema
  return { anyOf: [rest, { type: 'null' }], ...(fallback === undefined ? {} : { default: fallback }) }
}

function withKeys(schema: JsonSchema, keys: object): JsonSchema {
  if (schema === false) return schema
  return schema === true ? { ...keys } : { ...schema, ...keys }
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : undefined
}

function objectsOf(value: unknown, limit: number): Handle[] {
  return Array.isArray(value) ? value.slice(0, limit).filter(isJsonObject) : []
}
