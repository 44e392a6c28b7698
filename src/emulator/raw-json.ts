/**
 * JSON kept as it came. Parsing and printing changes `9007199254740993`, `1e400` and bytes that are not
 * UTF-8; a block that echoes must not. So texts are kept as strings of bytes (latin1, one character a
 * byte), cut out of the request and put into answers.
 */
export type ByteText = string

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPENERS = new Set([0x5b, 0x7b])
const CLOSERS = new Set([0x5d, 0x7d])
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d])

export function toByteText(bytes: Buffer): ByteText {
  return bytes.toString('latin1')
}

export function fromByteText(text: ByteText): Buffer {
  return Buffer.from(text, 'latin1')
}

/** A value of ours as JSON, in bytes of UTF-8. */
export function toJson(value: unknown): ByteText {
  const text = JSON.stringify(value)
  return Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1')
}

/** Puts a member with a value that is JSON already at the end of an object that has other members. */
export function withRawMember(object: ByteText, name: string, value: ByteText): ByteText {
  return `${object.slice(0, -1)},${toJson(name)}:${value}}`
}

/**
 * The members of a JSON object with their values as they are written; of a name that appears more than
 * once the last one, as in `JSON.parse`. The text must be valid JSON and an object.
 */
export function rawMembers(text: ByteText): Map<string, ByteText> {
  const members = new Map<string, ByteText>()
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = endOfString(text, at)
    const valueAt = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const valueEnd = endOfValue(text, valueAt)
    members.set(toName(text.slice(at, nameEnd)), text.slice(valueAt, valueEnd))
    at = skipSpace(text, valueEnd)
    if (text.charCodeAt(at) !== COMMA) break
    at = skipSpace(text, at + 1)
  }
  return members
}

function toName(quoted: ByteText): string {
  return JSON.parse(fromByteText(quoted).toString('utf8'))
}

function skipSpace(text: ByteText, from: number): number {
  let at = from
  while (SPACES.has(text.charCodeAt(at))) at++
  return at
}

function endOfString(text: ByteText, from: number): number {
  let at = from + 1
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at + 1
}

function endOfValue(text: ByteText, from: number): number {
  const first = text.charCodeAt(from)
  if (first === QUOTE) return endOfString(text, from)
  return OPENERS.has(first) ? endOfNested(text, from) : endOfScalar(text, from)
}

/** Counts brackets instead of recursing: ten thousand of them must not break the stack. */
function endOfNested(text: ByteText, from: number): number {
  let at = from
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
      continue
    }
    if (OPENERS.has(code)) depth++
    else if (CLOSERS.has(code) && --depth === 0) return at + 1
    at++
  }
  return at
}

function endOfScalar(text: ByteText, from: number): number {
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === COMMA || CLOSERS.has(code) || SPACES.has(code)) break
    at++
  }
  return at
}
