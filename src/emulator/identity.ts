import { type Answer, errorAnswer } from './answers.ts'

/** The account of a request: the key or the cookie's value itself; each is an account of its own. */
export type Identity = string

/** Reads the one credential of a request; an answer instead says why it has none that is valid. */
export type Authenticate = (rawHeaders: readonly string[]) => Identity | Answer

const COOKIE_NAME = 'oomol-token'

/**
 * The service's two ways of signing in: `Authorization` with or without `Bearer `, or the cookie.
 * More than one credential is refused, so that a gateway which sends two is caught.
 */
export function createAuthenticate(keys: readonly string[], cookies: readonly string[]): Authenticate {
  const knownKeys = new Set(keys)
  const knownCookies = new Set(cookies)
  return (rawHeaders) => {
    const { authorizations, tokens } = credentialsOf(rawHeaders)
    if (authorizations.length + tokens.length > 1) return errorAnswer(400, 'two credentials')
    const key = authorizations[0]?.replace(/^Bearer +/i, '')
    if (key !== undefined && knownKeys.has(key)) return key
    const token = tokens[0]
    if (token !== undefined && knownCookies.has(token)) return token
    return errorAnswer(401, 'Unauthorized')
  }
}

/** All credentials of a request: Node would show only the first of two `Authorization` headers. */
function credentialsOf(rawHeaders: readonly string[]): { authorizations: string[]; tokens: string[] } {
  const authorizations: string[] = []
  const tokens: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase()
    const value = rawHeaders[at + 1] ?? ''
    if (name === 'authorization') authorizations.push(value)
    else if (name === 'cookie') tokens.push(...tokensOf(value))
  }
  return { authorizations, tokens }
}

function tokensOf(cookieHeader: string): string[] {
  return cookieHeader.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=')
    return equals >= 0 && pair.slice(0, equals).trim() === COOKIE_NAME ? [pair.slice(equals + 1).trim()] : []
  })
}
