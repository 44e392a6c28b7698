import type { FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import type { Limits } from '../../services/callers/caller-limits.ts'
import type { Identify } from '../../services/callers/identify.ts'
import type { Caller } from '../../services/callers/request-context.ts'
import { requireScope } from '../../services/callers/rules.ts'
import { headerOf, refuseRepeatedHeaders, TOKEN_COOKIE } from '../request/request-headers.ts'
import type { CountFailedAuth } from './failed-auth.ts'
import { requireLocalName } from './local-names.ts'
import { requireOrigin } from './origins.ts'

export type AuthenticateDeps = {
  identify: Identify
  limits: Limits
  countFailedAuth: CountFailedAuth
  /** Exact origins that may act for every caller. */
  allowedOrigins: readonly string[]
  /** The address the gateway listens on. */
  host: string
}

/**
 * The hook in front of every route that needs a caller: identifies it and checks its scope. Runs before a byte
 * of the body is read. Throws 400, 401, 403 or 429.
 */
export function authenticate(deps: AuthenticateDeps) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    refuseRepeatedHeaders(request)
    const { scope } = request.routeOptions.config
    if (scope === 'public') return
    const caller = await identifyCaller(deps, request)
    deps.limits.takeRequest(caller)
    // A route whose scope was forgotten is closed to all callers.
    if (scope === undefined) throw new GatewayError({ code: 'not_found', what: 'route' })
    if (scope !== 'any-caller') requireScope(caller, scope)
  }
}

/**
 * The caller that sent a request, directly or through a page that may act for it. Counts wrong tokens. Throws
 * 401, 403, or 429 after too many wrong tokens. Requests of pages that may not act for a caller throw before
 * they count against its limits.
 */
export async function identifyCaller(deps: AuthenticateDeps, request: FastifyRequest): Promise<Caller> {
  const caller = await callerOf(deps, request)
  // Set before the checks, so that the log names the caller of a refused request too.
  request.caller = caller
  // Without a token, a page behind another host name could reach a local gateway (DNS rebinding).
  if (caller.kind === 'anyone') requireLocalName(request, deps.host)
  requireOrigin(request, caller, deps.allowedOrigins)
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
