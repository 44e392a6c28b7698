import { createHash } from 'node:crypto'

/**
 * The one credential that goes upstream with a call: the organisation's key or a user's own cookie. Its text
 * is private; only `headers` contains it, and only `cloud/` calls that.
 */
export class Credential {
  readonly kind: 'key' | 'cookie'
  /** Distinguishes credentials without revealing them: SHA-256, hexadecimal. Never logged. */
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

/** For the organisation's key, or one that a caller has in the config file. Checked at start: visible ASCII. */
export function createKeyCredential(key: string): Credential {
  return new Credential('key', key)
}

/** For the raw value of an `oomol-token` cookie; undefined when a cookie can't have such a value (RFC 6265). */
export function createCookieCredential(token: string): Credential | undefined {
  return /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}$/.test(token)
    ? new Credential('cookie', token)
    : undefined
}
