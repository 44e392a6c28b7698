import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { headerOf } from '../request/request-headers.ts'

const LOOPBACK_ADDRESS = /^(localhost|::1|127(\.\d{1,3}){3})$/
const LOCAL_NAME = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i

/** Whether the request's `Host` is a name of the local machine. */
export function usesLocalName(request: FastifyRequest): boolean {
  return LOCAL_NAME.test(headerOf(request, 'host') ?? '')
}

/**
 * Throws `origin_denied` if a gateway that listens on the loopback `address` is called by a name that is not
 * local. With DNS rebinding a page reaches a local gateway that way, and shares the gateway's origin.
 */
export function requireLocalName(request: FastifyRequest, address: string): void {
  if (!LOOPBACK_ADDRESS.test(address) || usesLocalName(request)) return
  throw new GatewayError({
    code: 'origin_denied',
    detail: 'Call a local gateway by localhost or by its loopback address.',
  })
}
