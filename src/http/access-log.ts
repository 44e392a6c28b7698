import type { FastifyReply, FastifyRequest } from 'fastify'
import { traceOf } from './caller.ts'

/**
 * The one line a request leaves in the log. The route is the pattern it matched, never the path it sent,
 * and there is no query: either may hold what is nobody's business.
 */
export function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { upstreamMs, ...trace } = traceOf(request)
  const line = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
    caller: request.caller?.id,
    ...trace,
    ...(upstreamMs === undefined ? {} : { upstreamMs: Math.round(upstreamMs) }),
    ...(reply.raw.writableFinished ? {} : { left: true }),
  }
  request.log.info(line, 'request')
}
