import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import type { Caller } from '../../services/callers/request-context.ts'
import { headerOf } from '../request/request-headers.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Throws `origin_denied` if a page sends the request and may not act for this caller. Programs send no `Origin`
 * and pass. But browsers add a user's cookie to the requests of any page, so an unsafe request with a cookie must
 * show its origin.
 */
export function requireOrigin(
  request: FastifyRequest,
  caller: Caller,
  allowedOrigins: readonly string[],
): void {
  const origin = headerOf(request, 'origin')
  if (origin === undefined) {
    if (caller.kind !== 'user' || SAFE_METHODS.has(request.method)) return
  } else if (allowedOrigins.includes(origin) || caller.rules.origins.includes(origin)) return
  if (headerOf(request, 'sec-fetch-site') === 'same-origin') return
  if (caller.kind === 'app' && origin === ownOrigin(request)) return
  const detail =
    origin === undefined
      ? 'With a cookie, send an Origin that is allowed here, or Sec-Fetch-Site: same-origin.'
      : 'Pages of this origin may not act for this caller. Its operator has to allow the origin.'
  throw new GatewayError({ code: 'origin_denied', detail })
}

/**
 * The gateway's own origin as the browser sees it, for pages served next to it over plain http, where browsers
 * send no Sec-Fetch-Site. Only for callers with a token: with DNS rebinding a foreign page has the same origin,
 * but no token.
 */
function ownOrigin(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}`
}
