import { GatewayError } from '../errors.ts'
import type { Identify } from '../services/identify.ts'
import type { IdentifyReader } from './openapi.ts'
import { headerOf, refuseRepeatedHeaders, TOKEN_COOKIE } from './request-headers.ts'

/**
 * Who reads a page that is open to everyone: a wrong token is refused all the same, while a cookie that says
 * nothing here is as good as none, because browsers send it along unasked.
 */
export function createIdentifyReader(identify: Identify): IdentifyReader {
  return async (request) => {
    refuseRepeatedHeaders(request)
    const authorization = headerOf(request, 'authorization')
    try {
      return identify({ authorization, cookieToken: request.cookies[TOKEN_COOKIE] })
    } catch (error) {
      if (authorization === undefined && error instanceof GatewayError) return undefined
      throw error
    }
  }
}
