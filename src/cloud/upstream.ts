import { DEADLINES, type Deadlines } from '../domain/deadlines.ts'
import { JsonError, type JsonObject, parseForeignObject } from '../domain/json.ts'
import type { Trace } from '../domain/trace.ts'
import { GatewayError } from '../errors.ts'
import type { Credential } from './credential.ts'
import { type HttpAnswer, type HttpClient, type HttpMethod, TransportError } from './http-client.ts'
import { type Operation, toAnswerFailure, toTransportFailure } from './upstream-failures.ts'

/** Longest answer that is taken from upstream. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024

/** On whose behalf a call is made, who may end it, and where its log line is. */
export type CallContext = { credential: Credential; signal?: AbortSignal; trace?: Trace }

/** A call upstream before it has an address. `path` is relative to the base, percent-encoded by us. */
export type UpstreamCall = {
  operation: Operation
  method: HttpMethod
  path: string
  body?: Buffer
  /** Left out: the usual one for what is asked. */
  deadlineMs?: number
}

/** A success: its bytes as they came, known to be JSON. */
export type UpstreamAnswer = { bytes: Buffer; value: unknown }

export type Upstream = {
  /** Makes the call and gives its success. Throws `GatewayError`. A GET whose connection broke is made once more. */
  call(context: CallContext, call: UpstreamCall): Promise<UpstreamAnswer>
}

/** One of the upstream's APIs behind its base URL (origin and path, no trailing slash). */
export function createUpstream(client: HttpClient, baseUrl: string, options: UpstreamOptions): Upstream {
  const base = new URL(baseUrl)
  const { readMs, createMs } = options.deadlines ?? DEADLINES
  const basePath = base.pathname.replace(/\/$/, '')
  const attempt = (context: CallContext, call: UpstreamCall): Promise<HttpAnswer> =>
    client.call({
      origin: base.origin,
      path: basePath + call.path,
      method: call.method,
      headers: requestHeaders(context.credential, call, options.userAgent),
      body: call.body ?? null,
      deadlineMs: call.deadlineMs ?? (call.operation === 'create' ? createMs : readMs),
      maxAnswerBytes: MAX_ANSWER_BYTES,
      signal: context.signal,
    })

  return {
    call: async (context, call) => {
      const startedMs = options.now()
      try {
        const answer = await attemptTwiceIfReading(() => attempt(context, call), call.method)
        if (context.trace) context.trace.upstreamStatus = answer.status
        return toSuccess(answer, call.operation, context.credential, options.now)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        throw new GatewayError(toTransportFailure(error, call.operation), { cause: error })
      } finally {
        if (context.trace)
          context.trace.upstreamMs = (context.trace.upstreamMs ?? 0) + options.now() - startedMs
      }
    },
  }
}

export type UpstreamOptions = {
  userAgent: string
  now: () => number
  deadlines?: Pick<Deadlines, 'readMs' | 'createMs'>
}

/** Everything that is sent upstream besides the path and the body: nothing of the caller's own headers. */
function requestHeaders(credential: Credential, call: UpstreamCall, userAgent: string): string[] {
  const headers = [...credential.headers(), 'accept', 'application/json', 'accept-encoding', 'identity']
  headers.push('user-agent', userAgent)
  if (call.body !== undefined) headers.push('content-type', 'application/json')
  return headers
}

/** A pooled connection may be closed just as it is used again; reading once more costs nobody anything. */
async function attemptTwiceIfReading(
  attempt: () => Promise<HttpAnswer>,
  method: HttpMethod,
): Promise<HttpAnswer> {
  try {
    return await attempt()
  } catch (error) {
    if (method !== 'GET' || !(error instanceof TransportError) || error.kind !== 'reset') throw error
    return attempt()
  }
}

function toSuccess(
  answer: HttpAnswer,
  operation: Operation,
  credential: Credential,
  now: () => number,
): UpstreamAnswer {
  if (answer.status < 200 || answer.status > 299) {
    throw new GatewayError(toAnswerFailure(answer, operation, credential, now()))
  }
  try {
    return { bytes: answer.body, value: JSON.parse(answer.body.toString('utf8')) }
  } catch {
    throw unreadable(operation)
  }
}

/** The answer as an object whose members' bytes can be passed on. Throws `upstream_invalid_response`. */
export function toAnswerObject(answer: UpstreamAnswer, operation: Operation): JsonObject {
  try {
    return parseForeignObject(answer.bytes)
  } catch (error) {
    if (error instanceof JsonError) throw unreadable(operation)
    throw error
  }
}

/** What an unreadable success costs: a read has no answer; whether a create happened is not known. */
export function unreadable(operation: Operation): GatewayError {
  return new GatewayError(
    operation === 'create'
      ? { code: 'create_outcome_unknown', repeated: false }
      : { code: 'upstream_invalid_response', detail: 'Upstream gave an answer that is not as documented.' },
  )
}
