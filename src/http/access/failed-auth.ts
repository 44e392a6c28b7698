import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'

/** Wrong tokens one address may present a minute (an IPv6 address is its /64). */
const MAX_WRONG_TOKENS = 20
const WINDOW_MS = 60_000
/** Addresses remembered; beyond, the ones not seen for longest are forgotten. */
const MAX_ADDRESSES = 10_000

/** Counts a wrong token against the address it came from. Throws `rate_limited` when there were too many. */
export type CountFailedAuth = (request: FastifyRequest) => Promise<void>

/**
 * Limits the guessing of tokens. Only wrong ones count and only wrong ones are refused, so that whoever shares
 * an address with a guesser goes on working. The limits of callers are not made with this library: it needs a
 * Fastify request, writes the header fields of an older draft, and can't count a create.
 */
export function limitFailedAuth(app: FastifyInstance): CountFailedAuth {
  app.register(rateLimit, {
    global: false,
    max: MAX_WRONG_TOKENS,
    timeWindow: WINDOW_MS,
    cache: MAX_ADDRESSES,
  })
  let count: ReturnType<FastifyInstance['createRateLimit']> | undefined
  return async (request) => {
    count ??= app.createRateLimit()
    const counted = await count(request)
    if (counted.isAllowed || !counted.isExceeded) return
    const detail = 'Too many wrong tokens came from this address.'
    throw new GatewayError({ code: 'rate_limited', detail, retryAfterSeconds: counted.ttlInSeconds })
  }
}
