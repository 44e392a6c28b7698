import type { FastifyRequest } from 'fastify'
import type { Deadlines } from '../../domain/deadlines.ts'
import { GatewayError } from '../../errors.ts'

/** How long a body may take: one that is held in memory as a whole, one that is streamed between two chunks. */
export type BodyDeadlines = Pick<Deadlines, 'bodyMs' | 'bodyIdleMs'>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set by `createServer` for every route. */
    bodyDeadlines?: BodyDeadlines
  }
}

/** The deadlines of a request's body, in milliseconds. */
export function bodyDeadlinesOf(request: FastifyRequest): BodyDeadlines {
  const { bodyDeadlines } = request.routeOptions.config
  if (bodyDeadlines === undefined) throw new Error('a route was registered without deadlines for its body')
  return bodyDeadlines
}

/** The whole body took longer than `bodyMs`. */
export function bodyTooSlow({ bodyMs }: BodyDeadlines): GatewayError {
  const detail = `Send the body faster: the whole of it has to arrive within ${bodyMs / 1000} seconds.`
  return new GatewayError({ code: 'request_timeout', detail })
}

/** The next bytes of a body took longer than `bodyIdleMs`. */
export function bodyStalled({ bodyIdleMs }: BodyDeadlines): GatewayError {
  const detail = `Send the body faster: no byte of it has arrived for ${bodyIdleMs / 1000} seconds.`
  return new GatewayError({ code: 'request_timeout', detail })
}
