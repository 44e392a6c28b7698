import type { FastifyReply, FastifyRequest } from 'fastify'
import { traceOf } from '../request/caller-of.ts'

/** A request that has not left its line yet. */
type Open = { startedMs: number; isAnswered: boolean }

const open = new WeakMap<FastifyRequest, Open>()

/**
 * Sees to it that a request leaves one line when it is over. Fastify's own hook does not tell of a request
 * whose caller has left before the answer.
 */
export function beginRequestLog(request: FastifyRequest, reply: FastifyReply): void {
  open.set(request, { startedMs: performance.now(), isAnswered: false })
  reply.raw.once('close', () => {
    // Whoever has left is not the end of the request: a create goes on, and its task belongs on the line.
    if (open.get(request)?.isAnswered) logRequest(request, reply)
  })
}

/** Called when the answer is there and about to be sent, if there is still somebody to send it to. */
export function noteAnswer(request: FastifyRequest, reply: FastifyReply): void {
  const state = open.get(request)
  if (state !== undefined) state.isAnswered = true
  if (reply.raw.destroyed) logRequest(request, reply)
}

/**
 * The one line a request leaves in the log. The route is the pattern it matched, never the path it sent,
 * and there is no query: either may hold what is nobody's business.
 */
function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const state = open.get(request)
  if (state === undefined) return
  open.delete(request)
  const { upstreamMs, ...trace } = traceOf(request)
  const line = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    ms: Math.round(performance.now() - state.startedMs),
    caller: request.caller?.id,
    ...trace,
    ...(upstreamMs === undefined ? {} : { upstreamMs: Math.round(upstreamMs) }),
    ...(reply.raw.writableFinished ? {} : { left: true }),
  }
  request.log.info(line, 'request')
}
