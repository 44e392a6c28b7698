import { isCallerID } from '../domain/names.ts'
import { hashToken, isToken, MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH } from '../domain/token.ts'
import { type Parsed, splitList, wrong } from './values.ts'

/** One entry of `GATEWAY_TOKENS`: the caller's id and the SHA-256 of its token. */
export type TokenPair = { readonly id: string; readonly hash: Buffer }

/** A gateway token -> its SHA-256. */
export function toTokenHash(text: string): Parsed<Buffer> {
  return isToken(text)
    ? { value: hashToken(text) }
    : wrong(
        `must be a token of ${MIN_TOKEN_LENGTH} to ${MAX_TOKEN_LENGTH} visible ASCII characters without commas and spaces`,
      )
}

/** The SHA-256 of a token as `oomol-gateway token` prints it. */
export function toSha256(text: string): Parsed<Buffer> {
  return /^[0-9a-f]{64}$/i.test(text)
    ? { value: Buffer.from(text, 'hex') }
    : wrong('must be a SHA-256 in 64 hexadecimal digits')
}

/** `id:token`, split at the first colon: an id has none, a token may. */
function toTokenPair(text: string): Parsed<TokenPair> {
  const colon = text.indexOf(':')
  if (colon < 0) return wrong('must be id:token')
  const id = text.slice(0, colon)
  const hash = toTokenHash(text.slice(colon + 1))
  if (!isCallerID(id)) return wrong('must begin with an id of 1 to 64 letters, digits, dots, _ and -')
  return 'problems' in hash ? hash : { value: { id, hash: hash.value } }
}

/**
 * `billing:TOKEN,web:TOKEN`, separated by commas or newlines -> the pairs. Ids and tokens are unique. Entries
 * are named by number: where the colon is missing the whole entry is a token.
 */
export function toTokenPairs(text: string): Parsed<readonly TokenPair[]> {
  const problems: string[] = []
  const pairs: TokenPair[] = []
  const seenIDs = new Set<string>()
  const seenHashes = new Set<string>()
  for (const [index, entry] of splitList(text, /[,\r\n]/).entries()) {
    const pair = toTokenPair(entry)
    if ('problems' in pair) {
      problems.push(...pair.problems.map((problem) => `entry ${index + 1} ${problem}`))
      continue
    }
    const { id, hash } = pair.value
    if (seenIDs.has(id)) problems.push(`entry ${index + 1} has the id of an earlier entry`)
    if (seenHashes.has(hash.toString('hex'))) {
      problems.push(`entry ${index + 1} has the token of an earlier entry`)
    }
    seenIDs.add(id)
    seenHashes.add(hash.toString('hex'))
    pairs.push(pair.value)
  }
  if (problems.length === 0 && pairs.length === 0) problems.push('must have at least one id:token')
  return problems.length > 0 ? { problems } : { value: pairs }
}
