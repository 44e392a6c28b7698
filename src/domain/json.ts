import { isUtf8 } from 'node:buffer'

/** Deeper than any real input, far below what breaks a serialiser. */
const MAX_JSON_DEPTH = 100

/** More members than any real body has. Parsing one costs a hundred times its bytes. */
const MAX_JSON_MEMBERS = 10_000

/** One top-level member; `bytes` is its value as it came. */
export type JsonMember = { name: string; bytes: Buffer }

/** A JSON object: its bytes as they came, its parsed value, and its top-level members as bytes. */
export type JsonObject = {
  bytes: Buffer
  value: { readonly [name: string]: unknown }
  members: readonly JsonMember[]
}

/** Why a text is rejected as a JSON object; `message` is written for the caller. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c

/** `"__proto__":` in any spelling. It pollutes prototypes in code that merges objects. */
const PROTO_MEMBER =
  /"(?:_|\\u005f){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006f)(?:t|\\u0074)(?:o|\\u006f)(?:_|\\u005f){2}"\s*:/i

/**
 * Reads a JSON object as a parsed value to decide with and as bytes to pass on, because parsing changes
 * numbers and strings. Throws `JsonError` if the text is not UTF-8, not JSON, not an object, too deep, has too
 * many members, has a repeated name at the top level, or has a `__proto__`.
 */
export function parseJsonObject(bytes: Buffer): JsonObject {
  checkShape(bytes)
  const object = parseForeignObject(bytes)
  if (PROTO_MEMBER.test(bytes.toString('utf8'))) {
    throw new JsonError('The body has a member named __proto__.')
  }
  const names = new Set<string>()
  for (const { name } of object.members) {
    if (names.has(name)) throw new JsonError('A name appears more than once at the top level of the body.')
    names.add(name)
  }
  return object
}

/**
 * The same for upstream's answers, which are only passed on: a task's result may be as deep as its block made
 * it, with any names. Throws `JsonError` if the text is not UTF-8, not JSON or not an object.
 */
export function parseForeignObject(bytes: Buffer): JsonObject {
  if (!isUtf8(bytes)) throw new JsonError('The body is not valid UTF-8.')
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new JsonError('The body is not valid JSON.')
  }
  if (!isJsonObject(value)) throw new JsonError('The body is not a JSON object.')
  return { bytes, value, members: topLevelMembers(bytes) }
}

/** Whether a parsed JSON value is an object, not an array and not null. */
export function isJsonObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The bytes of the member of that name, or undefined; of a repeated name the last one, as parsers do. */
export function memberBytes(object: JsonObject, name: string): Buffer | undefined {
  return object.members.findLast((member) => member.name === name)?.bytes
}

/**
 * The bytes of the last top-level member of that name, the one that parsing keeps, in a text that is known to
 * be a JSON object. For answers that are passed on with all their other members.
 */
export function lastMemberBytes(bytes: Buffer, name: string): Buffer | undefined {
  return topLevelMembers(bytes).findLast((member) => member.name === name)?.bytes
}

/** The bytes of each element of a text that is known to be a JSON array, without the white space around them. */
export function arrayElements(bytes: Buffer): Buffer[] {
  const elements: Buffer[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = endOfString(bytes, at)
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth === 1) start = at + 1
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte === COMMA) {
      const ends = byte === COMMA ? depth === 1 : --depth === 0
      if (!ends) continue
      const element = trimJsonSpace(bytes.subarray(start, at))
      // Only an empty array gives an empty element.
      if (element.length > 0) elements.push(element)
      start = at + 1
    }
  }
  return elements
}

/** An object out of members whose values are JSON already; they stay as they are, byte for byte. */
export function joinMembers(members: readonly JsonMember[]): Buffer {
  return join(
    members.map(({ name, bytes }) => [Buffer.from(`${JSON.stringify(name)}:`), bytes]),
    '{}',
  )
}

/** An array out of elements that are JSON already. */
export function joinElements(elements: readonly Buffer[]): Buffer {
  return join(
    elements.map((element) => [element]),
    '[]',
  )
}

/** A value as JSON. */
export function toJsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function join(items: readonly Buffer[][], brackets: '{}' | '[]'): Buffer {
  const pieces = items.flatMap((item, at) => (at === 0 ? item : [Buffer.from(','), ...item]))
  return Buffer.concat([Buffer.from(brackets.charAt(0)), ...pieces, Buffer.from(brackets.charAt(1))])
}

/** The index of the quote that ends the string beginning at `start`, or the text's length. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}

/** Checks text that may not be JSON before anything recursive or costly reads it. */
function checkShape(bytes: Buffer): void {
  let depth = 0
  let members = 1
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = endOfString(bytes, at)
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > MAX_JSON_DEPTH)
        throw new JsonError(`The body is nested deeper than ${MAX_JSON_DEPTH} levels.`)
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
    else if (byte === COMMA && depth === 1 && ++members > MAX_JSON_MEMBERS)
      throw new JsonError(`The body has more than ${MAX_JSON_MEMBERS} members at its top level.`)
  }
}

/** The top-level members of a text that is known to be a JSON object. */
function topLevelMembers(bytes: Buffer): JsonMember[] {
  const members: JsonMember[] = []
  let depth = 0
  let name: string | undefined
  let valueStart = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      const end = endOfString(bytes, at)
      if (depth === 1 && name === undefined) name = JSON.parse(bytes.toString('utf8', at, end + 1))
      at = end
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === COLON && depth === 1) valueStart = at + 1
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte === COMMA) {
      const ends = byte === COMMA ? depth === 1 : --depth === 0
      if (!ends || name === undefined) continue
      members.push({ name, bytes: trimJsonSpace(bytes.subarray(valueStart, at)) })
      name = undefined
    }
  }
  return members
}

function trimJsonSpace(bytes: Buffer): Buffer {
  const isSpace = (byte: number | undefined) =>
    byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
  let start = 0
  let end = bytes.length
  while (start < end && isSpace(bytes[start])) start++
  while (end > start && isSpace(bytes[end - 1])) end--
  return bytes.subarray(start, end)
}
