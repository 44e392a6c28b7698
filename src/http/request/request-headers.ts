import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

/** Headers of which a second one would be read differently by two readers. */
const SINGLE_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-type',
  'host',
  'idempotency-key',
  'last-event-id',
  'origin',
  'x-file-size',
])

export const TOKEN_COOKIE = 'oomol-token'

/** Throws `invalid_request` when a header that must stand once stands twice; Node would show the first, or join them. */
export function refuseRepeatedHeaders(request: FastifyRequest): void {
  const seen = new Set<string>()
  const { rawHeaders } = request.raw
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!SINGLE_HEADERS.has(name)) continue
    if (seen.has(name)) throw invalidHeader(name, 'stands twice')
    seen.add(name)
  }
  const cookies = (request.headers.cookie ?? '').split(';')
  const tokens = cookies.filter((cookie) => cookie.split('=', 1)[0]?.trim() === TOKEN_COOKIE)
  if (tokens.length > 1) throw invalidHeader('cookie', `holds ${TOKEN_COOKIE} twice`)
}

/** A header's value; when Node joined several, as they were joined. */
export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Whether the caller asked for server-sent events. */
export function acceptsEventStream(request: FastifyRequest): boolean {
  return (headerOf(request, 'accept') ?? '').split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    return type === 'text/event-stream' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

export function invalidHeader(name: string, problem: string): GatewayError {
  const detail = `The header ${name} ${problem}.`
  return new GatewayError({ code: 'invalid_request', detail, errors: [{ path: name, message: problem }] })
}
