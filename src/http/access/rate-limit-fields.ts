import type { FastifyReply, FastifyRequest } from 'fastify'
import { WINDOW_SECONDS } from '../../domain/rate-window.ts'
import type { Limits } from '../../services/callers/caller-limits.ts'

/**
 * A hook that sets `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) on every answer to
 * a caller with limits, as lists of `"requests"` and `"creates"`.
 */
export function setRateLimitHeaders(limits: Limits) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const quotas = request.caller === null ? [] : limits.quotas(request.caller)
    if (quotas.length === 0) return
    const policies = quotas.map(({ name, limit }) => `"${name}";q=${limit};w=${WINDOW_SECONDS}`)
    const states = quotas.map(
      ({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`,
    )
    reply.headers({ 'ratelimit-policy': policies.join(', '), ratelimit: states.join(', ') })
  }
}
