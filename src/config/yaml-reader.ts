import { isAlias, isMap, isNode, isScalar, isSeq, type Scalar } from 'yaml'
import { replaceReferences } from './references.ts'
import type { Environment } from './settings.ts'
import { closestMatch } from './unknown-settings.ts'
import type { Parse } from './values.ts'
import { parseYaml, type YamlDocument } from './yaml-document.ts'

/** One place in the file. The path (`callers[0].limits`) is made of documented keys and indices only. */
export type YamlField = { readonly path: string; readonly line: number; readonly node: unknown }

/** Every alias that is followed counts: nested ones multiply, and one may refer to itself. */
const MAX_ALIASES = 100
/** Deeper values break programs that serialise them. */
const MAX_DEPTH = 32

/**
 * Reads a YAML file field by field. A field of another kind than expected is reported and gives undefined;
 * reading goes on. Reports begin with the line and repeat nothing of the text but names of variables.
 */
export class YamlReader {
  /** The top of the file; undefined if it is empty or not YAML. */
  readonly root: YamlField | undefined
  readonly #env: Environment
  readonly #report: (message: string) => void
  readonly #parsed: YamlDocument | undefined
  #aliases = 0

  constructor(text: string, env: Environment, report: (message: string) => void) {
    this.#env = env
    this.#report = report
    this.#parsed = parseYaml(text, (line, message) => report(`line ${line}: ${message}`))
    const node = this.#parsed?.document.contents ?? null
    this.root = isNullScalar(node) ? undefined : { path: '', line: this.#lineOf(node, 1), node }
  }

  report(field: YamlField, message: string): void {
    this.#report(`line ${field.line}: ${field.path === '' ? '' : `${field.path}: `}${message}`)
  }

  /** A mapping with some of these keys and no others. */
  toFields<Key extends string>(
    field: YamlField,
    keys: readonly Key[],
  ): Partial<Record<Key, YamlField>> | undefined {
    const pairs = this.#toPairs(field)
    if (pairs === undefined) return undefined
    const fields: Partial<Record<Key, YamlField>> = {}
    for (const { key, line, node } of pairs) {
      const known = keys.find((candidate) => candidate === key)
      if (known !== undefined) {
        fields[known] = { path: field.path === '' ? known : `${field.path}.${known}`, line, node }
        continue
      }
      const guess = closestMatch(key, keys)
      const hint = guess === undefined ? `it takes ${keys.join(', ')}` : `did you mean ${guess}?`
      this.report({ ...field, line }, `has an unknown key; ${hint}`)
    }
    return fields
  }

  toItems(field: YamlField): readonly YamlField[] | undefined {
    const node = this.#resolve(field)
    if (!isSeq(node)) {
      this.report(field, 'must be a list')
      return undefined
    }
    return node.items.map((item, index) => ({
      path: `${field.path}[${index}]`,
      line: this.#lineOf(item, field.line),
      node: item,
    }))
  }

  /** How many items a list has, without a report; undefined if it is not a list. */
  countItems({ node }: YamlField): number | undefined {
    return isSeq(node) ? node.items.length : undefined
  }

  /** A text, with each `${NAME}` replaced. */
  toText(field: YamlField): string | undefined {
    const node = this.#resolve(field)
    if (isScalar(node) && typeof node.value === 'string') return this.#replace(field, node.value)
    const isBare = isScalar(node) && node.value !== null
    this.report(field, isBare ? 'must be a text; put it in quotes' : 'must be a text')
    return undefined
  }

  /** A number as it is, or a text as `toText` gives it. */
  toTextOrNumber(field: YamlField): string | number | undefined {
    const node = this.#resolve(field)
    return isScalar(node) && typeof node.value === 'number' ? node.value : this.toText(field)
  }

  /** A text, parsed further. */
  toParsed<T>(field: YamlField, parse: Parse<T>): T | undefined {
    const text = this.toText(field)
    if (text === undefined) return undefined
    const parsed = parse(text)
    if ('value' in parsed) return parsed.value
    for (const problem of parsed.problems) this.report(field, problem)
    return undefined
  }

  /** A list of texts, each parsed further; those that can't be are reported and left out. */
  toParsedItems<T>(
    field: YamlField | undefined,
    parse: Parse<T>,
  ): readonly { readonly field: YamlField; readonly value: T }[] {
    const items = field === undefined ? [] : (this.toItems(field) ?? [])
    return items.flatMap((item) => {
      const value = this.toParsed(item, parse)
      return value === undefined ? [] : [{ field: item, value }]
    })
  }

  /** A mapping of any keys to JSON values, `${NAME}` replaced in texts at any depth. */
  toObject(field: YamlField, depth = 1): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    for (const { key, line, node } of this.#toPairs(field) ?? []) {
      // By assignment `__proto__` would set the prototype; a key that is not a text is read as an empty one.
      if (key === '__proto__' || key === '') this.report({ ...field, line }, 'has a key that is not allowed')
      else object[key] = this.#toValue({ path: field.path, line, node }, depth + 1)
    }
    return object
  }

  #toValue(field: YamlField, depth: number): unknown {
    const node = this.#resolve(field)
    if (depth > MAX_DEPTH) {
      this.report(field, `is nested more than ${MAX_DEPTH} deep`)
      return undefined
    }
    if (isMap(node)) return this.toObject(field, depth)
    if (isSeq(node)) {
      return node.items.map((item) =>
        this.#toValue({ path: field.path, line: this.#lineOf(item, field.line), node: item }, depth + 1),
      )
    }
    return isScalar(node) ? this.#toJsonScalar(field, node) : null
  }

  #toJsonScalar(field: YamlField, { value }: Scalar): unknown {
    if (typeof value === 'string') return this.#replace(field, value)
    if (typeof value !== 'number') return value
    const isExact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
    if (!isExact) this.report(field, 'holds a number that JSON would change; write it as a text')
    return value
  }

  #replace(field: YamlField, text: string): string | undefined {
    const replaced = replaceReferences(text, this.#env)
    if ('value' in replaced) return replaced.value
    for (const problem of replaced.problems) this.report(field, problem)
    return undefined
  }

  #toPairs(field: YamlField): { key: string; line: number; node: unknown }[] | undefined {
    const node = this.#resolve(field)
    if (!isMap(node)) {
      this.report(field, 'must be a mapping (key: value)')
      return undefined
    }
    return node.items.map((pair) => ({
      key: isScalar(pair.key) ? String(pair.key.value) : '',
      line: this.#lineOf(pair.key, field.line),
      node: pair.value,
    }))
  }

  /** The node itself, or the one that its alias refers to; null after a report. */
  #resolve(field: YamlField): unknown {
    if (!isAlias(field.node)) return field.node
    this.#aliases += 1
    if (this.#aliases > MAX_ALIASES) {
      if (this.#aliases === MAX_ALIASES + 1)
        this.report(field, `is one alias (*name) more than ${MAX_ALIASES}`)
      return null
    }
    const node = this.#parsed === undefined ? undefined : field.node.resolve(this.#parsed.document)
    if (node === undefined) this.report(field, 'is an alias (*name) of an unknown anchor')
    return node ?? null
  }

  #lineOf(node: unknown, otherwise: number): number {
    const offset = isNode(node) ? node.range?.[0] : undefined
    return offset === undefined ? otherwise : (this.#parsed?.lineOf(offset) ?? otherwise)
  }
}

function isNullScalar(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null)
}
