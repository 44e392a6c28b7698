import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { headerOf } from '../request/request-headers.ts'

/** The headers of an answer that pages may read, beside those that every page may, each with its reason. */
const EXPOSED_HEADERS = [
  // Where to find the task that a request created, or its result.
  'Location',
  // When to repeat a refused request, or to ask for a result again.
  'Retry-After',
  // The wait that the gateway used: a longer one is cut.
  'Preference-Applied',
  // For reports to the operator: the id of the request's log line.
  'X-Request-ID',
  // The task of any answer, also of one without a JSON body of ours.
  'X-Task-ID',
  // Whether the task was created by this request or by an earlier one.
  'Idempotency-Replayed',
  // The two fields that let a page slow down before it is refused.
  'RateLimit',
  'RateLimit-Policy',
]

/** The headers that pages may send, each with its reason. */
const ALLOWED_HEADERS = [
  // The gateway token.
  'Authorization',
  // application/json is not among the types that pages may send without asking.
  'Content-Type',
  // Makes it safe to repeat a create.
  'Idempotency-Key',
  // MCP clients send it to resume a stream.
  'Last-Event-ID',
  // MCP clients send it with every request after the first.
  'MCP-Protocol-Version',
  // The wait, or respond-async.
  'Prefer',
  // The size of an uploaded body, for which browsers allow no Content-Length.
  'X-File-Size',
  // The page's own id of the request, for the log.
  'X-Request-ID',
]

/** The methods that pages may use, each with its reason. */
const ALLOWED_METHODS = [
  // Results, events, lists.
  'GET',
  // The same without a body: every GET route answers it.
  'HEAD',
  // Runs, tasks, forms with files, the queue.
  'POST',
  // A file as the body.
  'PUT',
]

/** How long browsers may cache a preflight. */
const PREFLIGHT_SECONDS = 600

/**
 * Lets pages of known origins read answers, errors included, and answers their preflights before any other
 * hook. Other pages get no CORS headers. A preflight has no token, so an origin is known if any caller allows it;
 * whether this caller allows it is checked with the request itself (origins.ts).
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
        // Any other OPTIONS is a method that no route has: 405.
        preflight: isPreflight(request),
      })
    },
  })
}

function isPreflight(request: FastifyRequest): boolean {
  return request.method === 'OPTIONS' && headerOf(request, 'access-control-request-method') !== undefined
}
