import { isIP } from 'node:net'
import { Secret } from '../domain/secret.ts'

/*
 * From the text of one setting to its value. Problems say what is expected and never repeat the text: it may
 * be a secret in the wrong place.
 */

/** The value, or every problem of the text. */
export type Parsed<T> = { readonly value: T } | { readonly problems: readonly string[] }
export type Parse<T> = (text: string) => Parsed<T>

const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const SIZE_UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
/** No wait is longer; it is far below 2^31 ms, above which timers fire at once (traps.md, 4). */
const MAX_DURATION_MS = 24 * DURATION_UNITS.h
const MAX_KEY_LENGTH = 4096
const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/

/** A parse that failed for one reason. */
export function wrong(problem: string): { readonly problems: readonly string[] } {
  return { problems: [problem] }
}

/** `500ms`, `50s`, `10m`, `1h` -> milliseconds, 0 to 24 h. A bare number has no unit and is refused. */
export function toDurationMs(text: string): Parsed<number> {
  const match = /^([0-9]{1,9})(ms|s|m|h)$/.exec(text)
  if (match === null) return wrong('must be a duration such as 500ms, 50s, 10m or 1h')
  const value = Number(match[1]) * DURATION_UNITS[match[2] as keyof typeof DURATION_UNITS]
  return value > MAX_DURATION_MS ? wrong('must not be longer than 24h') : { value }
}

/** A parser of sizes: `512KiB`, `4MiB`, `1GiB` or plain bytes -> bytes, from 1 to the maximum. */
export function toSizeBytes(maxBytes: number, maxText: string): Parse<number> {
  return (text) => {
    const match = /^([0-9]{1,16})(KiB|MiB|GiB|TiB)?$/.exec(text)
    if (match === null) return wrong('must be a size such as 512KiB, 4MiB, 1GiB, or a number of bytes')
    const unit = match[2] === undefined ? 1 : SIZE_UNITS[match[2] as keyof typeof SIZE_UNITS]
    const value = Number(match[1]) * unit
    if (value < 1) return wrong('must be at least 1 byte')
    return value > maxBytes ? wrong(`must not be larger than ${maxText}`) : { value }
  }
}

/** A parser of whole numbers in decimal digits within bounds. */
export function toInteger(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? { value } : wrong(`must be a whole number from ${min} to ${max}`)
  }
}

/** A parser of numbers above 0 up to a maximum; a fraction is allowed. */
export function toPositiveNumber(max: number): Parse<number> {
  return (text) => {
    const value = /^[0-9]{1,9}(?:\.[0-9]{1,9})?$/.test(text) ? Number(text) : Number.NaN
    return value > 0 && value <= max ? { value } : wrong(`must be a number above 0 and up to ${max}`)
  }
}

/** A parser of one word out of a closed list. */
export function toOneOf<const T extends string>(words: readonly T[]): Parse<T> {
  return (text) => {
    const value = words.find((word) => word === text)
    return value === undefined ? wrong(`must be one of ${words.join(', ')}`) : { value }
  }
}

/** A parser of a switch with a word for each position. */
export function toSwitch(on: string, off: string): Parse<boolean> {
  return (text) => (text === on || text === off ? { value: text === on } : wrong(`must be ${on} or ${off}`))
}

/** What to listen on: an IP address or a host name, without port. */
export function toHost(text: string): Parsed<string> {
  const isHost = isIP(text) !== 0 || HOST_NAME.test(text)
  return isHost ? { value: text } : wrong('must be an IP address or a host name, without a port')
}

/** The path of a file, which is not opened here. */
export function toPath(text: string): Parsed<string> {
  return text.includes('\0') ? wrong('must be the path of a file') : { value: text }
}

/**
 * An OOMOL key. HTTP clients would repeat a control byte or a space of it in their exceptions (traps.md, 26),
 * so only visible ASCII is accepted.
 */
export function toApiKey(text: string): Parsed<Secret> {
  const isKey = text.length <= MAX_KEY_LENGTH && VISIBLE_ASCII.test(text)
  return isKey ? { value: new Secret(text) } : wrong('must be visible ASCII characters without spaces')
}

/** `memory:` or `file:PATH`. */
export function toStoreUrl(text: string): Parsed<string> {
  if (/^rediss?:/i.test(text)) return wrong('names Redis, which is not built yet; use file:PATH or memory:')
  const isStore = text === 'memory:' || /^file:[^\p{Cc}]+$/u.test(text)
  return isStore ? { value: text } : wrong('must be file:PATH or memory:')
}

/** A parser of comma-separated lists: spaces around items, empty items and repeats are dropped. */
export function toListOf<T>(parse: Parse<T>): Parse<readonly T[]> {
  return (text) => {
    const items = splitList(text, ',').map(parse)
    const problems = items.flatMap((item, index) =>
      'problems' in item ? item.problems.map((problem) => `entry ${index + 1} ${problem}`) : [],
    )
    if (problems.length > 0) return { problems }
    return { value: [...new Set(items.flatMap((item) => ('value' in item ? [item.value] : [])))] }
  }
}

/** The items of a list, trimmed, without the empty ones. */
export function splitList(text: string, separator: string | RegExp): string[] {
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
