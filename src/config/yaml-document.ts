import { type Document, LineCounter, parseDocument } from 'yaml'

/** A document without faults of syntax, and the line (from 1) of an offset in its text. */
export type YamlDocument = { readonly document: Document; lineOf(offset: number): number }

/** In characters; the file is written by hand, so a larger one is a mistake. */
const MAX_TEXT_LENGTH = 2 ** 20
/** One fault of syntax often causes many. */
const MAX_FAULTS = 5
// YAML 1.2 core whatever a %YAML line says: no timestamps, no merge keys, no tags beyond JSON's types.
const PARSE_OPTIONS = {
  prettyErrors: false,
  logLevel: 'error',
  schema: 'core',
  resolveKnownTags: false,
  merge: false,
  stringKeys: true,
  uniqueKeys: true,
} as const

// The library's own messages quote the text, which may hold secrets; its codes are what we go by.
const FAULTS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'a key appears more than once',
  MULTIPLE_DOCS: 'a second document begins here; only one is allowed',
  NON_STRING_KEY: 'a key must be a text',
  TAB_AS_INDENT: 'is indented with a tab; YAML needs spaces',
  TAG_RESOLVE_FAILED: 'has a tag (!…) that is not known',
  RESOURCE_EXHAUSTION: 'is nested too deep',
}
const UNKNOWN_FAULT = 'is not valid YAML (a text with : or # or { or } in it needs quotes)'

/** Parses a YAML text; undefined after reporting its faults, in words that repeat nothing of the text. */
export function parseYaml(
  text: string,
  report: (line: number, message: string) => void,
): YamlDocument | undefined {
  if (text.length > MAX_TEXT_LENGTH) {
    report(1, 'the file is larger than 1 MiB')
    return undefined
  }
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { ...PARSE_OPTIONS, lineCounter })
  const lineOf = (offset: number): number => Math.max(1, lineCounter.linePos(offset).line)
  const faults = [...document.errors, ...document.warnings]
  for (const fault of faults.slice(0, MAX_FAULTS)) {
    report(lineOf(fault.pos[0]), FAULTS[fault.code] ?? UNKNOWN_FAULT)
  }
  return faults.length > 0 ? undefined : { document, lineOf }
}
