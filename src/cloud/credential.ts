import { createHash } from 'node:crypto'

/**
 * The one credential that goes upstream with a call: the organisation's key or a user's own cookie. The
 * only place that holds a key; nothing but `headers` gives it away, and that is called by this room alone.
 */
export class Credential {
  readonly kind: 'key' | 'cookie'
  /** Tells credentials apart without telling what they are: SHA-256, hexadecimal. Never logged. */
  readonly id: string
  readonly #secret: string

  constructor(kind: 'key' | 'cookie', secret: string) {
    this.kind = kind
    this.#secret = secret
    this.id = createHash('sha256').update(`${kind}:${secret}`).digest('hex')
  }

  /** Header name and value, as undici takes them. */
  headers(): [name: string, value: string] {
    return this.kind === 'key'
      ? ['authorization', `Bearer ${this.#secret}`]
      : ['cookie', `oomol-token=${this.#secret}`]
  }
}

/** The organisation's key, or a caller's own. Checked at start: visible ASCII. */
export function createKeyCredential(key: string): Credential {
  return new Credential('key', key)
}

/** The value of an `oomol-token` cookie as it came; undefined when it has a character that a cookie can't (RFC 6265). */
export function createCookieCredential(token: string): Credential | undefined {
  return /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}$/.test(token)
    ? new Credential('cookie', token)
    : undefined
}
