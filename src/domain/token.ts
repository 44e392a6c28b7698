import { createHash } from 'node:crypto'

/** Shorter tokens could be guessed. */
export const MIN_TOKEN_LENGTH = 20
/** Longer tokens exceed the header limits of proxies. */
export const MAX_TOKEN_LENGTH = 1024

// Visible ASCII without the comma, which separates tokens in a setting and joins repeated headers.
const TOKEN = /^[\x21-\x2b\x2d-\x7e]+$/

/** Whether a text may be a gateway token: 20 to 1024 visible ASCII characters, no comma, no space. */
export function isToken(text: string): boolean {
  return text.length >= MIN_TOKEN_LENGTH && text.length <= MAX_TOKEN_LENGTH && TOKEN.test(text)
}

/** SHA-256 of a token, 32 bytes: kept and compared instead of the token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}
