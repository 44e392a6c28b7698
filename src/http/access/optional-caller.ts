import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import type { Caller } from '../../services/callers/request-context.ts'
import { headerOf, refuseRepeatedHeaders } from '../request/request-headers.ts'
import { type AuthenticateDeps, identifyCaller } from './authenticate.ts'

/**
 * The caller of a public route, or undefined without one. A wrong token is refused. A cookie that is invalid, or
 * that comes from a page that may not act for its user, counts as no caller, because browsers send cookies by
 * themselves.
 */
export function createOptionalCaller(
  deps: AuthenticateDeps,
): (request: FastifyRequest) => Promise<Caller | undefined> {
  return async (request) => {
    refuseRepeatedHeaders(request)
    try {
      const caller = await identifyCaller(deps, request)
      deps.limits.takeRequest(caller)
      return caller
    } catch (error) {
      const hasNoToken = headerOf(request, 'authorization') === undefined
      if (!hasNoToken || !(error instanceof GatewayError)) throw error
      request.caller = null
      return undefined
    }
  }
}
