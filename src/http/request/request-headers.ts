import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

/**
 * Headers that may appear only once, each with its reason. Of a repeated header Node keeps the first or joins
 * all, and a proxy in front may read another one.
 */
const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  // Two readers could identify two callers.
  'authorization',
  // Where the body ends: a different end is request smuggling.
  'content-length',
  // How the body is read.
  'content-type',
  // Which origin is the gateway's own.
  'host',
  // Joined, two keys would be a third one.
  'idempotency-key',
  // Where a stream resumes.
  'last-event-id',
  // Which page sends the request.
  'origin',
  // How many bytes are announced to upstream.
  'x-file-size',
])

/** The cookie of a user's own account. */
export const TOKEN_COOKIE = 'oomol-token'

/** Throws `invalid_request` if a single header, or the token's cookie, appears more than once. */
export function refuseRepeatedHeaders(request: FastifyRequest): void {
  const seen = new Set<string>()
  const { rawHeaders } = request.raw
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!SINGLE_HEADERS.has(name)) continue
    if (seen.has(name)) throw invalidHeader(name, 'appears more than once')
    seen.add(name)
  }
  const cookies = (request.headers.cookie ?? '').split(';')
  const tokens = cookies.filter((cookie) => cookie.split('=', 1)[0]?.trim() === TOKEN_COOKIE)
  if (tokens.length > 1) throw invalidHeader('cookie', `has ${TOKEN_COOKIE} more than once`)
}

/** A header's value; several are joined by commas. */
export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Whether the caller asks for server-sent events. */
export function acceptsEventStream(request: FastifyRequest): boolean {
  return (headerOf(request, 'accept') ?? '').split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    return type === 'text/event-stream' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

/** The error of a header that can't be taken: `invalid_request`. `problem` completes "it …". */
export function invalidHeader(name: string, problem: string): GatewayError {
  const detail = `Correct the header ${name}: it ${problem}.`
  return new GatewayError({ code: 'invalid_request', detail, errors: [{ path: name, message: problem }] })
}
