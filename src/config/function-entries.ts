import type { FunctionConfig } from '../domain/named-function.ts'
import { isBlockName, isFunctionName, isPackageName, isPackageVersion } from '../domain/names.ts'
import { type Parse, toDurationMs, wrong } from './values.ts'
import type { YamlField, YamlReader } from './yaml-reader.ts'

const KEYS = ['name', 'package', 'version', 'block', 'description', 'inputs', 'fixed', 'wait'] as const
const MAX_DESCRIPTION_LENGTH = 1024

type Fields = Partial<Record<(typeof KEYS)[number], YamlField>>

/** A parser that takes a text as it is, if it passes. */
function toTextThat(passes: (text: string) => boolean, problem: string): Parse<string> {
  return (text) => (passes(text) ? { value: text } : wrong(problem))
}

const toName = toTextThat(isFunctionName, 'must be 1 to 64 small letters, digits and -, and not begin with -')
const toPackage = toTextThat(isPackageName, 'must be a package name such as @acme/pdf')
const toVersion = toTextThat(isPackageVersion, 'must be a version such as 1.4.0, or latest')
const toBlock = toTextThat(isBlockName, 'must be a block name: 1 to 200 characters without / and \\')
const toDescription = toTextThat(
  (text) => text.length <= MAX_DESCRIPTION_LENGTH,
  `must have at most ${MAX_DESCRIPTION_LENGTH} characters`,
)

/** Reads the list under `functions:`; `names` also has those of faulty entries. Reports everything that is wrong. */
export function readFunctions(
  reader: YamlReader,
  field: YamlField | undefined,
  maxWaitMs: number | undefined,
): { functions: readonly FunctionConfig[]; names: ReadonlySet<string> } {
  const names = new Set<string>()
  const items = field === undefined ? [] : (reader.toItems(field) ?? [])
  const functions = items.flatMap((item) => readFunction(reader, item, names, maxWaitMs) ?? [])
  return { functions, names }
}

function readFunction(
  reader: YamlReader,
  item: YamlField,
  names: Set<string>,
  maxWaitMs: number | undefined,
): FunctionConfig | undefined {
  const fields = reader.toFields(item, KEYS)
  if (fields === undefined) return undefined
  const name = readRequired(reader, item, fields, 'name', toName)
  if (name !== undefined && names.has(name)) {
    reader.report(fields.name ?? item, 'is the name of an earlier function')
  }
  if (name !== undefined) names.add(name)
  const packageName = readRequired(reader, item, fields, 'package', toPackage)
  const packageVersion = readRequired(reader, item, fields, 'version', toVersion)
  const blockName = readRequired(reader, item, fields, 'block', toBlock)
  const description = fields.description && reader.toParsed(fields.description, toDescription)
  const values = readValues(reader, fields)
  const waitMs = fields.wait && readWait(reader, fields.wait, maxWaitMs)
  if (!name || !packageName || !packageVersion || !blockName) return undefined
  return {
    name,
    packageName,
    packageVersion,
    blockName,
    ...values,
    ...(description === undefined ? {} : { description }),
    ...(waitMs === undefined ? {} : { waitMs }),
  }
}

function readRequired(
  reader: YamlReader,
  item: YamlField,
  fields: Fields,
  key: keyof Fields,
  parse: Parse<string>,
): string | undefined {
  const field = fields[key]
  if (field !== undefined) return reader.toParsed(field, parse)
  reader.report(item, `needs ${key}`)
  return undefined
}

function readValues(reader: YamlReader, fields: Fields): Pick<FunctionConfig, 'inputs' | 'fixed'> {
  const inputs = fields.inputs === undefined ? {} : reader.toObject(fields.inputs)
  const fixed = fields.fixed === undefined ? {} : reader.toObject(fields.fixed)
  if (fields.fixed !== undefined && Object.keys(fixed).some((key) => Object.hasOwn(inputs, key))) {
    reader.report(fields.fixed, 'has a key that inputs has too: a value is either a default or fixed')
  }
  return { inputs, fixed }
}

function readWait(reader: YamlReader, field: YamlField, maxWaitMs: number | undefined): number | undefined {
  const waitMs = reader.toParsed(field, toDurationMs)
  if (waitMs !== undefined && maxWaitMs !== undefined && waitMs > maxWaitMs) {
    reader.report(field, 'must not be longer than RUN_MAX_WAIT')
  }
  return waitMs
}
