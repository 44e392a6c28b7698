import {
  type CallerConfig,
  type CallerLimits,
  type CallerRules,
  PLAIN_SCOPES,
  SCOPES,
} from '../domain/caller.ts'
import { isCallerID } from '../domain/names.ts'
import { findFunctionPatternProblem, findPackagePatternProblem } from '../domain/patterns.ts'
import { toOrigin } from './addresses.ts'
import { toSha256, toTokenHash } from './tokens.ts'
import { type Parse, type Parsed, toApiKey, toOneOf, toSizeBytes, wrong } from './values.ts'
import type { YamlField, YamlReader } from './yaml-reader.ts'

const KEYS = [
  'id',
  'tokens',
  'tokenSha256',
  'scopes',
  'packages',
  'functions',
  'origins',
  'limits',
  'apiKey',
] as const
const COUNT_LIMITS = ['requestsPerMinute', 'createsPerMinute', 'concurrentRuns'] as const
const MAX_COUNT = 1_000_000_000

type Fields = Partial<Record<(typeof KEYS)[number], YamlField>>

/** The ids and tokens in use, which grow while callers are read, and the functions that a rule may name. */
type CallerContext = {
  readonly ids: Set<string>
  /** SHA-256 in lower-case hex. */
  readonly tokenHashes: Set<string>
  readonly functionNames: ReadonlySet<string>
}

const toID: Parse<string> = (text) =>
  isCallerID(text) ? { value: text } : wrong('must be 1 to 64 letters, digits, dots, _ and -')
const toScope = toOneOf(SCOPES)
const toUploadBytes = toSizeBytes(2 ** 40, '1TiB')
const toPackagePattern = toPatternWithout(findPackagePatternProblem)
const toFunctionPattern = toPatternWithout(findFunctionPatternProblem)

function toPatternWithout(findProblem: (pattern: string) => string | undefined): Parse<string> {
  return (text): Parsed<string> => {
    const problem = findProblem(text)
    return problem === undefined ? { value: text } : wrong(problem)
  }
}

/** Reads the list under `callers:`. Reports everything that is wrong. */
export function readCallers(
  reader: YamlReader,
  field: YamlField | undefined,
  context: CallerContext,
): readonly CallerConfig[] {
  const items = field === undefined ? [] : (reader.toItems(field) ?? [])
  return items.flatMap((item) => readCaller(reader, item, context) ?? [])
}

function readCaller(reader: YamlReader, item: YamlField, context: CallerContext): CallerConfig | undefined {
  const fields = reader.toFields(item, KEYS)
  if (fields === undefined) return undefined
  const id = readID(reader, item, fields.id, context.ids)
  const tokenHashes = readTokens(reader, item, fields, context.tokenHashes)
  const rules = readRules(reader, fields, context.functionNames)
  const apiKey = fields.apiKey && reader.toParsed(fields.apiKey, toApiKey)
  if (id === undefined) return undefined
  return { id, tokenHashes, rules, ...(apiKey === undefined ? {} : { apiKey }) }
}

function readID(
  reader: YamlReader,
  item: YamlField,
  field: YamlField | undefined,
  taken: Set<string>,
): string | undefined {
  if (field === undefined) {
    reader.report(item, 'needs id')
    return undefined
  }
  const id = reader.toParsed(field, toID)
  if (id === undefined) return undefined
  if (taken.has(id)) reader.report(field, 'is the id of another caller, here or in GATEWAY_TOKENS')
  taken.add(id)
  return id
}

function readTokens(
  reader: YamlReader,
  item: YamlField,
  fields: Fields,
  taken: Set<string>,
): readonly Buffer[] {
  if (fields.tokens === undefined && fields.tokenSha256 === undefined) {
    reader.report(item, 'needs tokens or tokenSha256')
    return []
  }
  const tokens = reader.toParsedItems(fields.tokens, toTokenHash)
  const hashes = reader.toParsedItems(fields.tokenSha256, toSha256)
  for (const { field, value } of [...tokens, ...hashes]) {
    const hex = value.toString('hex')
    if (taken.has(hex)) reader.report(field, 'is a token that is used before, here or in GATEWAY_TOKENS')
    taken.add(hex)
  }
  if (isEmptyList(reader, fields.tokens) && isEmptyList(reader, fields.tokenSha256)) {
    reader.report(item, 'needs at least one token')
  }
  return [...tokens, ...hashes].map(({ value }) => value)
}

/** Whether a list is left out or empty; a value that is not a list was reported before. */
function isEmptyList(reader: YamlReader, field: YamlField | undefined): boolean {
  return field === undefined || reader.countItems(field) === 0
}

function readRules(reader: YamlReader, fields: Fields, functionNames: ReadonlySet<string>): CallerRules {
  const valuesOf = <T>(field: YamlField | undefined, parse: Parse<T>): readonly T[] =>
    reader.toParsedItems(field, parse).map(({ value }) => value)
  const functions = reader.toParsedItems(fields.functions, toFunctionPattern)
  for (const { field, value } of functions) {
    const isMissing = !value.endsWith('*') && !functionNames.has(value)
    if (isMissing) reader.report(field, 'must name a function of this file')
  }
  return {
    scopes: new Set(fields.scopes === undefined ? PLAIN_SCOPES : valuesOf(fields.scopes, toScope)),
    packages: valuesOf(fields.packages, toPackagePattern),
    functions: functions.map(({ value }) => value),
    origins: valuesOf(fields.origins, toOrigin),
    limits: fields.limits === undefined ? {} : readLimits(reader, fields.limits),
  }
}

function readLimits(reader: YamlReader, field: YamlField): CallerLimits {
  const limits: { -readonly [Name in keyof CallerLimits]: CallerLimits[Name] } = {}
  const fields = reader.toFields(field, [...COUNT_LIMITS, 'uploadBytes'])
  for (const name of COUNT_LIMITS) {
    const count = fields?.[name] && readCount(reader, fields[name])
    if (count !== undefined) limits[name] = count
  }
  const size = fields?.uploadBytes && readSize(reader, fields.uploadBytes)
  if (size !== undefined) limits.uploadBytes = size
  return limits
}

function readCount(reader: YamlReader, field: YamlField): number | undefined {
  const value = reader.toTextOrNumber(field)
  if (value === undefined) return undefined
  const isCount = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_COUNT
  if (isCount) return value
  reader.report(field, `must be a whole number from 1 to ${MAX_COUNT}, without quotes`)
  return undefined
}

/** A size as text, or its bytes as a bare number. */
function readSize(reader: YamlReader, field: YamlField): number | undefined {
  const value = reader.toTextOrNumber(field)
  if (value === undefined) return undefined
  const parsed = toUploadBytes(String(value))
  if ('value' in parsed) return parsed.value
  for (const problem of parsed.problems) reader.report(field, problem)
  return undefined
}
