import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import cookie, { type CookieSerializeOptions } from '@fastify/cookie'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
  LogController,
} from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Failure, GatewayError } from '../../errors.ts'
import { sendProblem, toProblemAnswer } from '../answer/problem.ts'
import { requireRoomForAnswer, UnreadAnswers } from '../answer/unread-answers.ts'
import type { BodyDeadlines } from '../request/body-deadlines.ts'
import { closeIfUnread, deferContinue } from '../request/continue.ts'
import { beginRequestLog, noteAnswer } from './access-log.ts'
import { takeOneAtATime } from './one-at-a-time.ts'
import { cutStalledReaders } from './stalled-readers.ts'

/** Longer than the idle timeout of common load balancers, so that they close first. */
const KEEP_ALIVE_MS = 75_000
const HEADERS_TIMEOUT_MS = 20_000
/** How often Node checks for connections whose head is late. */
const CONNECTIONS_CHECK_MS = 5_000
/** Longer than any valid id or name in a path. */
const MAX_PARAM_LENGTH = 400

/** Cookies keep their value as it came, because it goes upstream. The plugin passes these options to its parser. */
const COOKIE_PARSING: CookieSerializeOptions & { decode(value: string): string } = {
  decode: (value) => value,
}

type ServerOptions = {
  logger: FastifyBaseLogger
  trustProxy: readonly string[]
  bodyDeadlines: BodyDeadlines
  /** Until a caller that does not read is cut, in milliseconds. */
  unreadMs: number
}

/** Fastify without routes, with safe settings wherever its defaults are not (traps.md). */
export function createServer(options: ServerOptions): FastifyInstance {
  const { logger, trustProxy, bodyDeadlines, unreadMs } = options
  const app = Fastify({
    loggerInstance: logger,
    // access-log.ts writes one line per request.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    return503OnClosing: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CONNECTIONS_CHECK_MS },
    clientErrorHandler: answerClientError,
    frameworkErrors: answerUnroutable,
  })
  cutStalledReaders(app.server, unreadMs)
  takeOneAtATime(app.server, (request, response) => lastAnswer.set(request.socket, response))
  // Node silently drops header lines beyond this count. Their size is bounded anyway.
  app.server.maxHeadersCount = 0
  app.server.on('checkContinue', (request, response) => {
    deferContinue(request)
    app.server.emit('request', request, response)
  })

  app.decorateRequest('caller', null)
  app.decorate('unreadAnswers', new UnreadAnswers())
  app.register(cookie, { parseOptions: COOKIE_PARSING })
  app.removeAllContentTypeParsers()
  // A body stays unread until its route reads it (body/).
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  app.setValidatorCompiler(compileCheck)
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler(() => {
    throw new GatewayError({ code: 'not_found', what: 'route' })
  })

  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, bodyDeadlines }
  })
  app.addHook('onRequest', async (request, reply) => beginRequestLog(request, reply))
  // First, because what it throws is answered in place of the answer.
  app.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) requireRoomForAnswer(request, reply, payload)
  })
  app.addHook('onSend', async (request, reply) => finishHead(request, reply))
  return app
}

/** The headers of every answer. */
function finishHead(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('x-content-type-options', 'nosniff')
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  closeIfUnread(request, reply)
  noteAnswer(request, reply)
}

/** Answers targets that the router can't read (`%zz`, an overlong parameter): Fastify runs no hooks for them. */
function answerUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  beginRequestLog(request, reply)
  finishHead(request, reply)
  sendProblem(error, request, reply)
}

/** The caller's own request id if it is safe in a log, otherwise a new one. */
function requestIdOf(request: { headers: IncomingMessage['headers'] }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID()
}

/** Validates queries, as strings. Routes validate ids and bodies themselves, for answers of their own. */
const compileCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'querystring') return () => true
  const compiled = Compile(schema)
  return (query: unknown) => {
    if (compiled.Check(query)) return { value: query }
    return { error: [...compiled.Errors(query)] as never }
  }
}

/** The last answer that began on each connection. */
const lastAnswer = new WeakMap<Duplex, ServerResponse>()

/** Answers bytes that are not HTTP on the socket, because they never become a request. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  const answer = lastAnswer.get(socket)
  // A second answer would corrupt one that is being written.
  const isMidAnswer = answer?.headersSent && !answer.writableFinished
  if (!socket.writable || isMidAnswer || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const failure: Failure =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? { code: 'request_timeout', detail: 'The request did not arrive in time. Send it again.' }
      : { code: 'invalid_request', detail: 'Send a well-formed HTTP request: this one is malformed.' }
  const { status, problem } = toProblemAnswer(failure, randomUUID())
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
