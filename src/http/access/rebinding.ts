import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { headerOf } from '../request/request-headers.ts'
import { requireLocalName, usesLocalName } from './local-names.ts'

/** `host` is the address the gateway listens on; `allowedOrigins` may act for every caller. */
type RebindingRules = { host: string; allowedOrigins: readonly string[] }

/**
 * Against pages that reach a local gateway by DNS rebinding, and so share its origin: on a loopback address only
 * local names are answered, and a caller without a token needs a local name or a listed Origin. Whether an Origin
 * may act for its caller was checked before. Throws `origin_denied`.
 */
export function refuseRebinding(request: FastifyRequest, { host, allowedOrigins }: RebindingRules): void {
  requireLocalName(request, host)
  const origin = headerOf(request, 'origin')
  if (origin === undefined || request.caller?.kind !== 'anyone' || usesLocalName(request)) return
  if (allowedOrigins.includes(origin)) return
  const detail = 'Send a gateway token, or have the operator add this Origin to ALLOWED_ORIGINS.'
  throw new GatewayError({ code: 'origin_denied', detail })
}
