import { isIP } from 'node:net'
import { type Parsed, wrong } from './values.ts'

/** The text as a URL, if it is a plain absolute one; the URL parser alone would accept tabs and backslashes. */
function toWebUrl(text: string): URL | undefined {
  if (!/^https?:\/\/[\x21-\x5b\x5d-\x7e]+$/i.test(text)) return undefined
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/**
 * An upstream's base URL -> origin and path without a trailing slash. `load-config.ts` decides whether http
 * is allowed, because that depends on another setting.
 */
export function toBaseUrl(text: string): Parsed<string> {
  const url = toWebUrl(text)
  if (url === undefined) return wrong('must be an absolute URL such as https://host.example/path')
  const problems: string[] = []
  if (url.username !== '' || url.password !== '') problems.push('must not contain a user name or a password')
  if (/[?#]/.test(text)) problems.push('must not have a query or a fragment')
  if (problems.length > 0) return { problems }
  return { value: `${url.origin}${url.pathname.replace(/\/+$/, '')}` }
}

/** The same for the task API, whose official clients also drop a trailing `/v1` or `/v3`. */
export function toTaskBaseUrl(text: string): Parsed<string> {
  const base = toBaseUrl(text)
  return 'problems' in base ? base : { value: base.value.replace(/\/+v[13]$/, '').replace(/\/+$/, '') }
}

/** Whether a base URL sends the credential in the clear. */
export function isInsecureUrl(baseUrl: string): boolean {
  return baseUrl.startsWith('http:')
}

/**
 * An origin exactly as browsers write it in `Origin`: lower case, no default port, no path. Anything else
 * would never match, and `*` or `null` would match every page.
 */
export function toOrigin(text: string): Parsed<string> {
  const isOrigin = toWebUrl(text)?.origin === text && !text.includes('*')
  return isOrigin
    ? { value: text }
    : wrong('must be an exact origin as browsers send it, such as https://app.example (no path, no *)')
}

/** An address or CIDR whose `X-Forwarded-*` headers count. One that contains every address is refused. */
export function toProxyRange(text: string): Parsed<string> {
  const [address = '', prefix, ...rest] = text.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  const bits = prefix === undefined ? 0 : /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  const isRange = family !== 0 && rest.length === 0 && bits <= (family === 4 ? 32 : 128)
  if (!isRange) return wrong('must be an IP address or a CIDR such as 10.0.0.0/8')
  return prefix !== undefined && bits === 0 ? wrong('must not contain every address') : { value: text }
}
