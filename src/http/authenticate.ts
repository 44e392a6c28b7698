import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../errors.ts'
import { requireScope } from '../services/caller.ts'
import type { Identify } from '../services/identify.ts'
import { headerOf, refuseRepeatedHeaders, TOKEN_COOKIE } from './request-headers.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * The hook in front of every route of a surface: who is it, and may it come in here. Runs before a byte of
 * the body is read. Throws 400, 401 or 403.
 */
export function authenticate(identify: Identify, allowedOrigins: ReadonlySet<string>) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    refuseRepeatedHeaders(request)
    const { scope } = request.routeOptions.config
    if (scope === 'public') return
    const caller = identify({
      authorization: headerOf(request, 'authorization'),
      cookieToken: request.cookies[TOKEN_COOKIE],
    })
    request.caller = caller
    // A route that names no scope is closed to everyone, whoever forgot it.
    if (scope === undefined) throw new GatewayError({ code: 'not_found', what: 'route' })
    if (scope !== 'any-caller') requireScope(caller, scope)
    if (caller.kind === 'user' && !SAFE_METHODS.has(request.method)) refuseForgery(request, allowedOrigins)
  }
}

/** A browser sends a cookie along whoever asked it to; only pages that we know may act with it. */
function refuseForgery(request: FastifyRequest, allowedOrigins: ReadonlySet<string>): void {
  const origin = headerOf(request, 'origin')
  if (origin !== undefined && allowedOrigins.has(origin)) return
  if (headerOf(request, 'sec-fetch-site') === 'same-origin') return
  const detail = 'With a cookie, this needs an allowed Origin or Sec-Fetch-Site: same-origin.'
  throw new GatewayError({ code: 'origin_denied', detail })
}
