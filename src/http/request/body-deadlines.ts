import type { FastifyRequest } from 'fastify'
import { DEADLINES, type Deadlines } from '../../domain/deadlines.ts'
import { GatewayError } from '../../errors.ts'

/** How long a body may take: one that is held in memory as a whole, one that is streamed between two chunks. */
export type BodyDeadlines = Pick<Deadlines, 'bodyMs' | 'bodyIdleMs'>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set by `createServer` for every route. */
    bodyDeadlines?: BodyDeadlines
  }
}

export function bodyDeadlinesOf(request: FastifyRequest): BodyDeadlines {
  return request.routeOptions.config.bodyDeadlines ?? DEADLINES
}

/** The body, or its next bytes, took longer than `bodyDeadlinesOf` allows. */
export function bodyTooSlow(): GatewayError {
  return new GatewayError({ code: 'request_timeout', detail: 'The body did not come in time.' })
}

/** The connection ended before the body did. */
export function bodyCut(): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail: 'The body ended early.' })
}
