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
import type { BodyDeadlines } from '../body/body-limits.ts'
import { closeIfUnread, deferContinue } from '../request/continue.ts'
import { beginRequestLog, noteAnswer } from './access-log.ts'

/** Longer than the idle timeout of the load balancers in front of us, so that they close first. */
const KEEP_ALIVE_MS = 75_000
const HEADERS_TIMEOUT_MS = 20_000
/** How often Node looks for connections whose head does not come. */
const CONNECTIONS_CHECK_MS = 5_000
/** Longer parameters than any id or name we take. */
const MAX_PARAM_LENGTH = 400

/** A cookie's value as it came, because that is what goes upstream. The plugin passes this on to its parser. */
const COOKIE_PARSING: CookieSerializeOptions & { decode(value: string): string } = {
  decode: (value) => value,
}

export type ServerOptions = {
  logger: FastifyBaseLogger
  trustProxy: readonly string[]
  bodyDeadlines: BodyDeadlines
}

/** Fastify with everything set that its defaults leave open; no routes yet. */
export function createServer({ logger, trustProxy, bodyDeadlines }: ServerOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: logger,
    // One line a request, of our own making: access-log.ts.
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
  app.server.on('request', (request, response) => lastAnswer.set(request.socket, response))
  // Node drops header lines beyond a count without a word; their size is bounded anyway.
  app.server.maxHeadersCount = 0
  app.server.on('checkContinue', (request, response) => {
    deferContinue(request)
    app.server.emit('request', request, response)
  })

  app.decorateRequest('caller', null)
  app.register(cookie, { parseOptions: COOKIE_PARSING })
  app.removeAllContentTypeParsers()
  // Bodies stay unread until a route reads them (bodies.ts).
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
  app.addHook('onSend', async (request, reply) => finishHead(request, reply))
  return app
}

/** What every answer carries. */
function finishHead(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('x-content-type-options', 'nosniff')
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  closeIfUnread(request, reply)
  noteAnswer(request, reply)
}

/** What the router can't even read (`%zz`, an endless parameter) is answered before any hook would run. */
function answerUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  beginRequestLog(request, reply)
  finishHead(request, reply)
  sendProblem(error, request, reply)
}

/** A caller's own id when it is one that can stand in a log, else a new one. */
function requestIdOf(request: { headers: IncomingMessage['headers'] }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID()
}

/** Queries are checked as the text they are; ids and bodies have checks of their own, with answers of their own. */
const compileCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  if (httpPart !== 'querystring') return () => true
  const compiled = Compile(schema)
  return (query: unknown) => {
    if (compiled.Check(query)) return { value: query }
    return { error: [...compiled.Errors(query)] as never }
  }
}

/** The last answer that was begun on a connection. */
const lastAnswer = new WeakMap<Duplex, ServerResponse>()

/** What is no HTTP never becomes a request; it is answered on the socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  const answer = lastAnswer.get(socket)
  // Amid an answer that is being written there is no place for another one.
  const isMidAnswer = answer?.headersSent && !answer.writableFinished
  if (!socket.writable || isMidAnswer || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const failure: Failure =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? { code: 'request_timeout', detail: 'The request did not come in time.' }
      : { code: 'invalid_request', detail: 'This is not HTTP as the gateway takes it.' }
  const { status, problem } = toProblemAnswer(failure, randomUUID())
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
