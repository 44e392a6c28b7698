import { isJsonObject } from './json.ts'

/** A JSON Schema that came from outside: a JSON object, or true (anything) or false (nothing). */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown }

/** Bounds of one schema, far above real ones. */
const MAX_DEPTH = 30
const MAX_NODES = 1_000

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE: ReadonlySet<string> = new Set([
  'additionalItems',
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
])
const LIST: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'])
const NAMED: ReadonlySet<string> = new Set(['dependentSchemas', 'patternProperties', 'properties'])

/** Keywords that name a schema or refer to one. Nothing is ever fetched. */
const IDENTITY: ReadonlySet<string> = new Set([
  '$anchor',
  '$defs',
  '$dynamicAnchor',
  '$dynamicRef',
  '$id',
  '$recursiveAnchor',
  '$recursiveRef',
  '$ref',
  '$schema',
  '$vocabulary',
  'definitions',
  'id',
])

/** The nodes that a package's schemas may still use, so that neither deep nor wide ones exhaust memory. */
export type SchemaBudget = { nodes: number }

class TooLarge extends Error {}

/**
 * A standalone schema: references into it are replaced by what they refer to; a reference to elsewhere, or to
 * a schema around it, accepts any value. Keys that JSON Schema does not know are kept. A schema that exceeds
 * the bounds or the `budget` accepts any value as a whole.
 */
export function toStandaloneSchema(schema: unknown, budget: SchemaBudget): JsonSchema {
  try {
    return new Inliner(schema, budget).schema(schema, 0, [])
  } catch (error) {
    if (error instanceof TooLarge) return true
    throw error
  }
}

class Inliner {
  readonly #root: unknown
  readonly #budget: SchemaBudget
  #nodes = MAX_NODES

  constructor(root: unknown, budget: SchemaBudget) {
    this.#root = root
    this.#budget = budget
  }

  /** `within`: the references that led to this schema, so that none is followed in a circle. */
  schema(schema: unknown, depth: number, within: readonly string[]): JsonSchema {
    if (typeof schema === 'boolean') return schema
    if (!isJsonObject(schema)) return true
    this.#spend(depth)
    // Entries, not assignments: a key named __proto__ must stay a key.
    const entries = Object.entries(schema).filter(([keyword]) => !IDENTITY.has(keyword))
    const copy: Record<string, unknown> = Object.fromEntries(
      entries.map(([keyword, value]) => [keyword, this.#keyword(keyword, value, depth, within)]),
    )
    if (typeof schema.$ref !== 'string') return copy
    const target = this.#follow(schema.$ref, depth, within)
    if (target === true) return copy
    return Object.keys(copy).length === 0 ? target : { ...copy, allOf: [...listOf(copy.allOf), target] }
  }

  #keyword(keyword: string, value: unknown, depth: number, within: readonly string[]): unknown {
    if (LIST.has(keyword) && Array.isArray(value)) {
      return value.map((item) => this.schema(item, depth + 1, within))
    }
    if (ONE.has(keyword)) return this.schema(value, depth + 1, within)
    if (NAMED.has(keyword) && isJsonObject(value)) {
      const named = Object.entries(value).map(([name, item]) => [name, this.schema(item, depth + 1, within)])
      return Object.fromEntries(named)
    }
    return this.#plain(value, depth)
  }

  #follow(reference: string, depth: number, within: readonly string[]): JsonSchema {
    if (within.includes(reference)) return true
    const target = resolvePointer(this.#root, reference)
    return target === undefined ? true : this.schema(target, depth + 1, [...within, reference])
  }

  /** Any other value, under the same bounds. */
  #plain(value: unknown, depth: number): unknown {
    if (Array.isArray(value)) {
      this.#spend(depth)
      return value.map((item) => this.#plain(item, depth + 1))
    }
    if (!isJsonObject(value)) return value
    this.#spend(depth)
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, this.#plain(item, depth + 1)]),
    )
  }

  #spend(depth: number): void {
    this.#nodes -= 1
    this.#budget.nodes -= 1
    if (depth > MAX_DEPTH || this.#nodes < 0 || this.#budget.nodes < 0) throw new TooLarge()
  }
}

/** The target of a reference such as `#` or `#/$defs/point` in its own document, or undefined. */
function resolvePointer(root: unknown, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let value: unknown = root
  for (const part of reference.slice(2).split('/')) {
    const name = decodePart(part)
    if (Array.isArray(value)) value = value[Number(name)]
    else if (isJsonObject(value) && Object.hasOwn(value, name)) value = value[name]
    else return undefined
  }
  return value
}

function decodePart(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // Not percent-encoded, so the part is the name itself.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
