import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { headerOf } from '../request/request-headers.ts'

/** What a page may read of an answer, beside the headers that every page may. */
const EXPOSED_HEADERS = [
  'Location',
  'Retry-After',
  'Preference-Applied',
  'X-Request-ID',
  'X-Task-ID',
  'Idempotency-Replayed',
  'RateLimit',
  'RateLimit-Policy',
]

/** What a page may send. `MCP-…` is what MCP clients add to each request. */
const ALLOWED_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'Last-Event-ID',
  'MCP-Protocol-Version',
  'Prefer',
  'X-File-Size',
  'X-Request-ID',
]

const ALLOWED_METHODS = ['GET', 'HEAD', 'POST', 'PUT']

/** For so long a browser need not ask again. */
const PREFLIGHT_SECONDS = 600

/**
 * Lets pages of the known origins read answers, errors included, and answers their preflights before anything
 * else sees them. Others get no CORS header at all. A preflight carries no token, so an origin is known when
 * it is any caller's; whether it is this caller's is decided with the request itself (origins.ts).
 */
export function registerCors(app: FastifyInstance, isKnownOrigin: (origin: string) => boolean): void {
  app.register(cors, {
    delegator: (request, done) => {
      const origin = headerOf(request, 'origin')
      done(null, {
        origin: origin !== undefined && isKnownOrigin(origin) ? origin : false,
        credentials: true,
        exposedHeaders: EXPOSED_HEADERS,
        allowedHeaders: ALLOWED_HEADERS,
        methods: ALLOWED_METHODS,
        maxAge: PREFLIGHT_SECONDS,
        // Any other OPTIONS is a method like the rest: 405.
        preflight: isPreflight(request),
      })
    },
  })
}

function isPreflight(request: FastifyRequest): boolean {
  return request.method === 'OPTIONS' && headerOf(request, 'access-control-request-method') !== undefined
}
