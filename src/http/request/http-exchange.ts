import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Scope } from '../../domain/caller.ts'
import type { Trace } from '../../domain/trace.ts'
import type { Caller, RequestContext } from '../../services/callers/request-context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller; set by `authenticate` before the handler of any route that needs one. */
    caller: Caller | null
  }
  interface FastifyContextConfig {
    /**
     * The scope that a caller needs for this route; `any-caller` if the route checks scopes itself, `public` if it
     * needs no caller. A route without a scope is closed.
     */
    scope?: Scope | 'any-caller' | 'public'
    /** Answers the methods that a route does not have; left out of the route table. */
    isFallback?: true
  }
}

const traces = new WeakMap<FastifyRequest, Trace>()

/** The fields of a request's log line, collected while it is served. */
export function traceOf(request: FastifyRequest): Trace {
  let trace = traces.get(request)
  if (trace === undefined) {
    trace = {}
    traces.set(request, trace)
  }
  return trace
}

/** The request as services see it. Only for routes behind `authenticate`. */
export function toContext(request: FastifyRequest, reply: FastifyReply): RequestContext {
  if (request.caller === null) throw new Error('a route behind authenticate ran without a caller')
  return { caller: request.caller, signal: leaveSignal(reply), trace: traceOf(request) }
}

/** A request, its reply, and its context for services. */
export type HttpExchange = { request: FastifyRequest; reply: FastifyReply; context: RequestContext }

/** Only for routes behind `authenticate`. */
export function toHttpExchange(request: FastifyRequest, reply: FastifyReply): HttpExchange {
  return { request, reply, context: toContext(request, reply) }
}

/** One reason for all aborts: without one, every abort would create an exception with a stack. */
const OVER = new Error('the answer is over')

/**
 * Aborts when the answer is over: the caller has disconnected, or has its whole answer (that of a HEAD is
 * complete before the events of the same GET would be). Fastify's own `request.signal` aborts as soon as a body
 * has been read, and `AbortSignal.any` leaks, so each request has one controller of its own.
 */
function leaveSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  if (reply.raw.destroyed) controller.abort(OVER)
  else reply.raw.once('close', () => controller.abort(OVER))
  return controller.signal
}
