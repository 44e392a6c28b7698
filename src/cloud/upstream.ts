import type { Deadlines } from '../domain/deadlines.ts'
import { JsonError, type JsonObject, parseForeignObject } from '../domain/json.ts'
import type { Trace } from '../domain/trace.ts'
import { GatewayError } from '../errors.ts'
import type { Credential } from './credential.ts'
import { type HttpAnswer, type HttpClient, type HttpMethod, TransportError } from './http-client.ts'
import { type Operation, toAnswerFailure, toTransportFailure } from './upstream-failures.ts'

/** The longest answer that is accepted from upstream. */
const MAX_ANSWER_BYTES = 10 * 1024 * 1024

/** The credential of a call, the signal that may end it, and the trace that it is logged in. */
export type CallContext = { credential: Credential; signal?: AbortSignal; trace?: Trace }

/** A call upstream before it has an address. `path` is relative to the base, percent-encoded by us. */
type UpstreamCall = {
  operation: Operation
  method: HttpMethod
  path: string
  body?: Buffer
  /** Milliseconds from start to last byte; left out: the usual one of the operation. */
  deadlineMs?: number
  /** As in `HttpCall`. */
  isTooLate?: (() => boolean) | undefined
}

/** A success: its bytes as they came, which are JSON, and their parsed value. */
export type UpstreamAnswer = { bytes: Buffer; value: unknown }

export type Upstream = {
  /** Makes the call. Throws `GatewayError` unless it succeeds. A GET whose connection broke is made once more. */
  call(context: CallContext, call: UpstreamCall): Promise<UpstreamAnswer>
}

/** One of upstream's APIs behind its base URL (origin and path, no trailing slash). */
export function createUpstream(client: HttpClient, baseUrl: string, options: UpstreamOptions): Upstream {
  const base = new URL(baseUrl)
  const { readMs, createMs } = options.deadlines
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
      isTooLate: call.isTooLate,
    })

  return {
    call: async (context, call) => {
      const startedMs = options.monotonicNow()
      try {
        const answer = await attemptTwiceIfReading(() => attempt(context, call), call.method)
        if (context.trace) context.trace.upstreamStatus = answer.status
        return toSuccess(answer, call.operation, context.credential, options.now)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        throw new GatewayError(toTransportFailure(error, call.operation), { cause: error })
      } finally {
        if (context.trace)
          context.trace.upstreamMs = (context.trace.upstreamMs ?? 0) + options.monotonicNow() - startedMs
      }
    },
  }
}

type UpstreamOptions = {
  userAgent: string
  /** Milliseconds since 1970, for the dates that upstream writes. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  deadlines: Pick<Deadlines, 'readMs' | 'createMs'>
}

/** Every header that is sent upstream: a closed list, and none of them is copied from the caller. */
function requestHeaders(credential: Credential, call: UpstreamCall, userAgent: string): string[] {
  const headers = [
    // `authorization` or `cookie`: exactly one credential, chosen by us.
    ...credential.headers(),
    // All of its answers are JSON; without this a proxy may prefer a page.
    ...['accept', 'application/json'],
    // A compressed answer could unpack to any size (traps.md, 26); one that comes all the same is refused.
    ...['accept-encoding', 'identity'],
    // Upstream's operators can see which version of the gateway called.
    ...['user-agent', userAgent],
  ]
  // Bodies are JSON; a request without one must not announce any.
  if (call.body !== undefined) headers.push('content-type', 'application/json')
  return headers
}

/** Upstream may close a pooled connection just as it is used again; a second read is harmless. */
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

/** The failure of an unreadable success: a read has no answer, a create has an unknown outcome. */
export function unreadable(operation: Operation): GatewayError {
  return new GatewayError(
    operation === 'create'
      ? { code: 'create_outcome_unknown', repeated: false }
      : { code: 'upstream_invalid_response', detail: "Upstream's answer can't be read." },
  )
}
