import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Scope } from '../../domain/caller.ts'
import type { Trace } from '../../domain/trace.ts'
import type { Caller, RequestContext } from '../../services/callers/request-context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent the request; set by `authenticate` before any route of a surface runs. */
    caller: Caller | null
  }
  interface FastifyContextConfig {
    /**
     * The scope a caller needs for this route; `any-caller` when the route itself asks for scopes, `public`
     * when it needs no caller. A route without it answers nobody.
     */
    scope?: Scope | 'any-caller' | 'public'
    /** Answers the methods that a route does not take; stands in no table. */
    isFallback?: true
  }
}

const traces = new WeakMap<FastifyRequest, Trace>()

/** Where a request's log line is gathered. */
export function traceOf(request: FastifyRequest): Trace {
  let trace = traces.get(request)
  if (trace === undefined) {
    trace = {}
    traces.set(request, trace)
  }
  return trace
}

/** What a service is told of a request. Only for routes behind `authenticate`. */
export function toContext(request: FastifyRequest, reply: FastifyReply): RequestContext {
  if (request.caller === null) throw new Error('a route of a surface ran without a caller')
  return { caller: request.caller, signal: leaveSignal(reply), trace: traceOf(request) }
}

/** A request on its way to an answer: Fastify's own two, and what a service is told of it. */
export type HttpExchange = { request: FastifyRequest; reply: FastifyReply; context: RequestContext }

/** Only for routes behind `authenticate`. */
export function toHttpExchange(request: FastifyRequest, reply: FastifyReply): HttpExchange {
  return { request, reply, context: toContext(request, reply) }
}

/** One for all requests: without a reason every abort makes an exception, stack and all. Nobody asks for it. */
const OVER = new Error('nobody listens any more')

/**
 * Aborts when nobody listens any more: the caller has left, or has its whole answer (a HEAD has it before
 * the events it asked for have come). Fastify's own `request.signal` aborts as soon as a body has been read,
 * and `AbortSignal.any` leaks: hence one controller of ours a request.
 */
function leaveSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  if (reply.raw.destroyed) controller.abort(OVER)
  else reply.raw.once('close', () => controller.abort(OVER))
  return controller.signal
}
