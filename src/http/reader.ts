import { GatewayError } from '../errors.ts'
import { type AuthenticateParts, identifyCaller } from './authenticate.ts'
import type { IdentifyReader } from './openapi.ts'
import { headerOf, refuseRepeatedHeaders } from './request-headers.ts'

/**
 * Who reads a page that is open to everyone: a wrong token is refused all the same, while a cookie that says
 * nothing here is as good as none, because browsers send it along unasked.
 */
export function createIdentifyReader(
  parts: Pick<AuthenticateParts, 'identify' | 'countWrongToken'>,
): IdentifyReader {
  return async (request) => {
    refuseRepeatedHeaders(request)
    try {
      return await identifyCaller(parts, request)
    } catch (error) {
      const isNobody = headerOf(request, 'authorization') === undefined
      if (isNobody && error instanceof GatewayError) return undefined
      throw error
    }
  }
}
