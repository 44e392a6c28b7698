import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import type { Limits } from '../../services/callers/caller-limits.ts'
import type { Identify } from '../../services/callers/identify.ts'
import { type Caller, requireScope } from '../../services/callers/request-context.ts'
import { headerOf, refuseRepeatedHeaders, TOKEN_COOKIE } from '../request/request-headers.ts'
import type { CountFailedAuth } from './failed-auth.ts'
import { requireLocalName } from './local-names.ts'
import { requireOrigin } from './origins.ts'

export type AuthenticateDeps = {
  identify: Identify
  limits: Limits
  countFailedAuth: CountFailedAuth
  /** Exact origins that every caller may come from. */
  allowedOrigins: readonly string[]
  /** The address the gateway listens on. */
  host: string
}

/**
 * The hook in front of every route of a surface: who is it, and may it come in here. Runs before a byte of
 * the body is read. Throws 400, 401, 403 or 429.
 */
export function authenticate(parts: AuthenticateDeps) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    refuseRepeatedHeaders(request)
    const { scope } = request.routeOptions.config
    if (scope === 'public') return
    const caller = await identifyCaller(parts, request)
    parts.limits.takeRequest(caller)
    // A route that names no scope is closed to everyone, whoever forgot it.
    if (scope === undefined) throw new GatewayError({ code: 'not_found', what: 'route' })
    if (scope !== 'any-caller') requireScope(caller, scope)
  }
}

/**
 * Who sent a request, by itself or through a page that may. A wrong token is counted. Throws 401, 403, or 429
 * once there were too many. What somebody else's page sends uses up nothing of the caller's.
 */
export async function identifyCaller(parts: AuthenticateDeps, request: FastifyRequest): Promise<Caller> {
  const caller = await callerOf(parts, request)
  // Known from here on: the log names the caller of what is refused, too.
  request.caller = caller
  // Who needs to show nothing may be a page by another name: of the gateway's own origin, then.
  if (caller.kind === 'anyone') requireLocalName(request, parts.host)
  requireOrigin(request, caller, parts.allowedOrigins)
  return caller
}

async function callerOf(
  { identify, countFailedAuth }: AuthenticateDeps,
  request: FastifyRequest,
): Promise<Caller> {
  const authorization = headerOf(request, 'authorization')
  try {
    return identify({ authorization, cookieToken: request.cookies[TOKEN_COOKIE] })
  } catch (error) {
    if (authorization !== undefined) await countFailedAuth(request)
    throw error
  }
}
