import type { BlockSchema } from './block-schema.ts'
import { isJsonObject } from './json.ts'
import type { JsonSchema } from './json-schema.ts'
import type { FunctionConfig } from './named-function.ts'
import { STORAGE_PREFIX } from './validatable-schema.ts'

/** A function as its callers see it, without its fixed inputs: not even their names. */
export type FunctionDescription = {
  name: string
  /** May be empty. */
  description: string
  packageName: string
  /** The version that runs now; as configured while the registry is unavailable. */
  packageVersion: string
  blockName: string
  /** False while the registry is unavailable: then inputs are passed on unchecked. */
  validated: boolean
  /** JSON Schema of the inputs, with the defaults. */
  inputSchema: Readonly<Record<string, unknown>>
  outputSchema: Readonly<Record<string, unknown>>
  defaults: Readonly<Record<string, unknown>>
  /** How long a run waits by default; without it, the gateway's default applies. */
  waitMs?: number
  example: { inputs: Readonly<Record<string, unknown>>; curl: string }
}

/** Describes a function by its block, or without it while the registry is unavailable. */
export function describeFunction(
  config: FunctionConfig,
  packageVersion: string,
  block: BlockSchema | undefined,
): FunctionDescription {
  const { name, packageName, blockName, waitMs } = config
  const inputs = toExampleInputs(config, block)
  return {
    name,
    description: config.description ?? block?.description ?? '',
    packageName,
    packageVersion,
    blockName,
    validated: block !== undefined,
    inputSchema: toInputSchema(config, block),
    outputSchema: block?.output ?? {},
    defaults: config.inputs,
    ...(waitMs === undefined ? {} : { waitMs }),
    example: { inputs, curl: toCurl(name, inputs) },
  }
}

function toInputSchema(
  { inputs: defaults, fixed }: FunctionConfig,
  block: BlockSchema | undefined,
): Record<string, unknown> {
  if (block === undefined) {
    const known = Object.entries(defaults).map(([name, value]) => [name, { default: value }])
    return { type: 'object', properties: Object.fromEntries(known) }
  }
  const settable = [...block.inputs].filter(([name]) => !Object.hasOwn(fixed, name))
  const properties = settable.map(([name, { schema }]) => [
    name,
    Object.hasOwn(defaults, name) ? withDefault(schema, defaults[name]) : schema,
  ])
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: requiredOf(settable, defaults),
    additionalProperties: false,
  }
}

function requiredOf(
  settable: readonly (readonly [name: string, input: { required: boolean }])[],
  defaults: object,
): string[] {
  return settable
    .filter(([name, { required }]) => required && !Object.hasOwn(defaults, name))
    .map(([name]) => name)
}

function withDefault(schema: JsonSchema, value: unknown): JsonSchema {
  return typeof schema === 'boolean' ? { default: value } : { ...schema, default: value }
}

/** A value for each required input. */
function toExampleInputs(
  { inputs: defaults, fixed }: FunctionConfig,
  block: BlockSchema | undefined,
): Record<string, unknown> {
  const inputs = [...(block?.inputs ?? [])].filter(([name]) => !Object.hasOwn(fixed, name))
  const names = requiredOf(inputs, defaults)
  return Object.fromEntries(
    names.map((name) => [name, toExample(block?.inputs.get(name)?.schema ?? true, 0)]),
  )
}

const LONGEST_EXAMPLE = 200

function toExample(schema: JsonSchema, depth: number): unknown {
  if (!isJsonObject(schema)) return 'value'
  const { default: fallback, examples, enum: values, const: only, type } = schema
  const [shown] = [fallback, only, ...listOf(examples), ...listOf(values)].filter(isShort)
  if (shown !== undefined) return shown
  const alternatives = [...listOf(schema.anyOf), ...listOf(schema.oneOf)]
  if (type === undefined && alternatives.length > 0 && depth < 3) {
    return toExample(alternatives[0] as JsonSchema, depth + 1)
  }
  return toExampleOf([type].flat()[0], schema, depth)
}

function toExampleOf(type: unknown, schema: { readonly [key: string]: unknown }, depth: number): unknown {
  switch (type) {
    case 'integer':
    case 'number':
      return typeof schema.minimum === 'number' ? schema.minimum : 1
    case 'boolean':
      return true
    case 'null':
      return null
    case 'array':
      return depth < 3 && schema.items !== undefined ? [toExample(schema.items as JsonSchema, depth + 1)] : []
    case 'object': {
      if (!isJsonObject(schema.properties) || depth >= 3) return {}
      const required = new Set(listOf(schema.required))
      const properties = Object.entries(schema.properties).filter(([name]) => required.has(name))
      return Object.fromEntries(
        properties.map(([name, item]) => [name, toExample(item as JsonSchema, depth + 1)]),
      )
    }
    default:
      return toExampleText(schema)
  }
}

function toExampleText({ format, contentMediaType, ...schema }: { readonly [key: string]: unknown }): string {
  const widget = schema['ui:widget']
  const isFile = typeof contentMediaType === 'string' && contentMediaType.startsWith('oomol/')
  if (format === 'uri' || isFile || widget === 'file') return 'https://files.example/file'
  return typeof widget === 'string' && /dir|save/i.test(widget) ? `${STORAGE_PREFIX}file` : 'text'
}

function isShort(value: unknown): boolean {
  return value !== undefined && value !== null && JSON.stringify(value).length <= LONGEST_EXAMPLE
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 10) : []
}

/** A command to paste into a shell. Inside single quotes only the quote itself is special. */
function toCurl(name: string, inputs: object): string {
  const body = JSON.stringify(inputs).replaceAll("'", "'\\''")
  return [
    `curl "$GATEWAY_URL/run/${name}"`,
    '-H "Authorization: Bearer $GATEWAY_TOKEN"',
    "-H 'Content-Type: application/json'",
    `-d '${body}'`,
  ].join(' ')
}
