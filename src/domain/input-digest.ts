import { createHash } from 'node:crypto'

/**
 * The inputs of a task in a form that can be stored and compared but not read: a hash of each name and of each
 * value. The order of names and the spelling of numbers and strings do not matter.
 */
export type InputDigest = Readonly<Record<string, string>>

/** Inputs with more members than any form have no digest. */
const MAX_MEMBERS = 200
/** Deeper than any input that the gateway accepts. */
const MAX_DEPTH = 200

/** The digest of parsed inputs; undefined if they are too many or too deep to compare. */
export function digestInputs(inputs: Readonly<Record<string, unknown>>): InputDigest | undefined {
  const names = Object.keys(inputs)
  if (names.length > MAX_MEMBERS) return undefined
  const digest: Record<string, string> = {}
  for (const name of names.sort()) {
    const text = canonicalJson(inputs[name], 0)
    if (text === undefined) return undefined
    digest[hash(name)] = hash(text)
  }
  return digest
}

/**
 * Whether the inputs that upstream shows are those that were sent. `unclear`: one side is unknown, or upstream
 * shows more than was sent, which may be its defaults.
 */
export function compareInputs(
  sent: InputDigest | undefined,
  shown: InputDigest | undefined,
): 'equal' | 'different' | 'unclear' {
  if (sent === undefined || shown === undefined) return 'unclear'
  if (Object.keys(sent).some((name) => shown[name] !== sent[name])) return 'different'
  return Object.keys(shown).length === Object.keys(sent).length ? 'equal' : 'unclear'
}

/** JSON with the names of each object in order; undefined if it is nested too deep. */
function canonicalJson(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (depth === MAX_DEPTH) return undefined
  const isList = Array.isArray(value)
  const parts: string[] = []
  for (const name of isList ? value.keys() : Object.keys(value).sort()) {
    const part = canonicalJson((value as Record<string | number, unknown>)[name], depth + 1)
    if (part === undefined) return undefined
    parts.push(isList ? part : `${JSON.stringify(name)}:${part}`)
  }
  return isList ? `[${parts.join()}]` : `{${parts.join()}}`
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
