import type { FastifyRequest } from 'fastify'
import { type Deadlines, SLOWEST_BODY_BYTES_PER_MS } from '../../domain/deadlines.ts'
import { GatewayError } from '../../errors.ts'

/** How slowly a body may come: over a window, and between two chunks. */
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

/** Less of a body came over `bodyMs` than at the slowest rate. */
export function bodyTooSlow({ bodyMs }: BodyDeadlines): GatewayError {
  const kib = (SLOWEST_BODY_BYTES_PER_MS * 1000) / 1024
  const detail = `Send the body faster: at least ${kib} KiB a second over ${bodyMs / 1000} seconds.`
  return new GatewayError({ code: 'request_timeout', detail })
}

/** The next bytes of a body took longer than `bodyIdleMs`. */
export function bodyStalled({ bodyIdleMs }: BodyDeadlines): GatewayError {
  const detail = `Send the body faster: no byte of it has arrived for ${bodyIdleMs / 1000} seconds.`
  return new GatewayError({ code: 'request_timeout', detail })
}
