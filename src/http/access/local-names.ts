import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { headerOf } from '../request/request-headers.ts'

const LOOPBACK_ADDRESS = /^(localhost|::1|127(\.\d{1,3}){3})$/
const LOCAL_NAME = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i

/** Whether the request calls the gateway by a name that only this machine has. */
export function usesLocalName(request: FastifyRequest): boolean {
  return LOCAL_NAME.test(headerOf(request, 'host') ?? '')
}

/**
 * Throws `origin_denied` when a gateway that listens on the loopback `address` is called by another name: that
 * is how a page reaches a local gateway by DNS rebinding, and then it is of the gateway's own origin.
 */
export function requireLocalName(request: FastifyRequest, address: string): void {
  if (!LOOPBACK_ADDRESS.test(address) || usesLocalName(request)) return
  throw new GatewayError({ code: 'origin_denied', detail: 'This Host is not one of the gateway.' })
}
