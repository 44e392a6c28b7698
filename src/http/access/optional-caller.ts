import { GatewayError } from '../../errors.ts'
import type { IdentifyReader } from '../openapi/openapi.ts'
import { headerOf, refuseRepeatedHeaders } from '../request/request-headers.ts'
import { type AuthenticateDeps, identifyCaller } from './authenticate.ts'

/**
 * Who reads a page that is open to everyone: a wrong token is refused all the same, while a cookie that says
 * nothing here, or comes from a page that may not speak for its user, is as good as none, because browsers send
 * it along unasked.
 */
export function createOptionalCaller(parts: AuthenticateDeps): IdentifyReader {
  return async (request) => {
    refuseRepeatedHeaders(request)
    try {
      const caller = await identifyCaller(parts, request)
      parts.limits.takeRequest(caller)
      return caller
    } catch (error) {
      const isNobody = headerOf(request, 'authorization') === undefined
      if (!isNobody || !(error instanceof GatewayError)) throw error
      request.caller = null
      return undefined
    }
  }
}
