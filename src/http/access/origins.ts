import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import type { Caller } from '../../services/callers/request-context.ts'
import { headerOf } from '../request/request-headers.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Throws `origin_denied` unless the page that sends the request, if a page does, may act as this caller.
 * Programs send no `Origin` and are not concerned, except that a browser adds a user's cookie to whatever any
 * page sends: with a cookie, what changes something must show where it comes from.
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
      ? 'With a cookie, this needs an allowed Origin or Sec-Fetch-Site: same-origin.'
      : 'Pages of this origin may not act as this caller.'
  throw new GatewayError({ code: 'origin_denied', detail })
}

/**
 * The gateway's own origin as the browser sees it, for pages served beside it over plain http, where browsers
 * send no Sec-Fetch-Site. Only for callers that showed a token: a page whose name was made to point here
 * (DNS rebinding) is of the same origin too, and has none.
 */
function ownOrigin(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}`
}
