import type { FastifyReply, FastifyRequest } from 'fastify'
import { traceOf } from '../request/http-exchange.ts'
import { wasCut } from './stalled-readers.ts'

/** A request whose line is not written yet. */
type OpenRequest = { startedMs: number; isAnswered: boolean }

const openRequests = new WeakMap<FastifyRequest, OpenRequest>()

/**
 * Makes a request write one log line when it is over. Fastify's own hook does not run for a caller that left
 * before the answer.
 */
export function beginRequestLog(request: FastifyRequest, reply: FastifyReply): void {
  openRequests.set(request, { startedMs: performance.now(), isAnswered: false })
  reply.raw.once('close', () => {
    // When the caller has left, the request goes on: a create finishes, and its task belongs on the line.
    if (openRequests.get(request)?.isAnswered) logRequest(request, reply)
  })
}

/** Called when the answer is ready to be sent, whether the caller is still there or not. */
export function noteAnswer(request: FastifyRequest, reply: FastifyReply): void {
  const state = openRequests.get(request)
  if (state !== undefined) state.isAnswered = true
  if (reply.raw.destroyed) logRequest(request, reply)
}

/**
 * The one log line of a request. It shows the pattern of the route and never the path or the query, because
 * these can contain secrets.
 */
function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const state = openRequests.get(request)
  if (state === undefined) return
  openRequests.delete(request)
  const { upstreamMs, ...trace } = traceOf(request)
  const line = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    ms: Math.round(performance.now() - state.startedMs),
    caller: request.caller?.id,
    ...trace,
    ...(upstreamMs === undefined ? {} : { upstreamMs: Math.round(upstreamMs) }),
    ...(reply.raw.writableFinished && !wasCut(request.raw.socket) ? {} : { left: true }),
  }
  request.log.info(line, 'request')
}
