import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type Issue, toIssues } from '../../domain/issue.ts'
import {
  describeFailure,
  type Failure,
  GatewayError,
  noteFailure,
  taskIDOfError,
  toFailure,
} from '../../errors.ts'
import { traceOf } from '../request/http-exchange.ts'

/** An error answer (RFC 9457): the same as a response or as the last event of a stream. */
type Problem = {
  type: string
  title: string
  status: number
  detail: string
  code: string
  /** The same as `detail`, because the official SDKs show this member. */
  message: string
  requestId: string
  taskID?: string
  retryable: boolean
  errors?: readonly Issue[]
}

type ProblemAnswer = { status: number; headers: Record<string, string>; problem: Problem }

/** The answer to a failure: status, headers and body. */
export function toProblemAnswer(failure: Failure, requestId: string, taskID?: string): ProblemAnswer {
  const { status, title, detail, retryable, retryAfterSeconds, allow, errors } = describeFailure(failure)
  const headers: Record<string, string> = {}
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds)
  if (allow !== undefined) headers.allow = allow.join(', ')
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (taskID !== undefined) headers['x-task-id'] = taskID
  const problem: Problem = {
    type: `urn:oomol-gateway:${failure.code}`,
    title,
    status,
    detail,
    code: failure.code,
    message: detail,
    requestId,
    ...(taskID === undefined ? {} : { taskID }),
    retryable,
    ...(errors === undefined ? {} : { errors }),
  }
  return { status, headers, problem }
}

/** The server's error handler: answers whatever was thrown as a problem, and logs unexpected errors. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const failure = toHttpFailure(error)
  const trace = traceOf(request)
  // When a caller leaves before the first event, nothing has failed.
  if (!isAbandonedStream(error, reply)) noteFailure(failure, error, trace, request.log)
  const taskID = taskIDOfError(error, trace)
  const { status, headers, problem } = toProblemAnswer(failure, request.id, taskID)
  reply.code(status).headers(headers).type('application/problem+json').send(JSON.stringify(problem))
}

function isAbandonedStream(error: unknown, reply: FastifyReply): boolean {
  return reply.raw.destroyed && (error as { code?: unknown } | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** The same as `toFailure`, for Fastify's own errors as well. Their texts go no further: some repeat the request. */
function toHttpFailure(error: unknown): Failure {
  if (error instanceof GatewayError) return error.failure
  const { code, validation, validationContext } = (error ?? {}) as Partial<FastifyError>
  if (validation !== undefined) {
    const errors = toIssues(validation).map(({ path, message }) => ({
      path: path.replace(/^\//, ''),
      message,
    }))
    const where = validationContext === 'querystring' ? 'query' : (validationContext ?? 'request')
    return { code: 'invalid_request', detail: `Invalid ${where}.`, errors }
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return { code: 'unsupported_media_type', expected: 'another content type' }
  }
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') {
    return { code: 'invalid_request', detail: 'Content-Length must be the length of the body.' }
  }
  if (code?.startsWith('FST_ERR_BAD_URL') || code === 'FST_ERR_MAX_PARAM_LENGTH') {
    return { code: 'not_found', what: 'route' }
  }
  return toFailure(error)
}
