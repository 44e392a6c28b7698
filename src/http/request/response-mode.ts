import type { FastifyReply, FastifyRequest } from 'fastify'
import { chooseWait, parsePrefer, parseWaitSeconds, type Wait, type WaitLimits } from '../../domain/wait.ts'
import { GatewayError } from '../../errors.ts'
import { acceptsEventStream, headerOf } from './request-headers.ts'

/** `keepAliveMs`: between two comments that keep a stream open. */
export type HttpWaits = WaitLimits & { keepAliveMs: number }

/** How a caller wants to be answered: at once, or after a wait. */
type ResponseMode = { kind: 'async' } | WaitingMode

/** After a wait: by one response, or by events. */
export type WaitingMode =
  | { kind: 'blocking'; wait: Wait }
  | { kind: 'events'; wait: Wait; keepAliveMs: number }

/** Reads `Prefer`, `?wait` and `Accept`. Throws `invalid_request` for a `?wait` that is not a number of seconds. */
export function responseModeOf(request: FastifyRequest, limits: HttpWaits): ResponseMode {
  const prefer = parsePrefer(headerOf(request, 'prefer'))
  const { wait: asked } = request.query as { wait?: string }
  const querySeconds = asked === undefined ? undefined : parseWaitSeconds(asked)
  if (asked !== undefined && querySeconds === undefined) {
    const errors = [{ path: 'wait', message: 'must be a number of seconds' }]
    throw new GatewayError({ code: 'invalid_request', detail: 'Invalid query.', errors })
  }
  if (prefer.respondAsync) return { kind: 'async' }
  const wait = chooseWait(querySeconds, prefer.waitSeconds, limits)
  if (!acceptsEventStream(request)) return { kind: 'blocking', wait }
  return { kind: 'events', wait, keepAliveMs: limits.keepAliveMs }
}

/** Names the preference that was applied, if the caller sent one (RFC 7240, section 3). */
export function applyPreference(reply: FastifyReply, mode: ResponseMode): void {
  if (mode.kind === 'async') reply.header('preference-applied', 'respond-async')
  else if (mode.wait.asked) reply.header('preference-applied', `wait=${mode.wait.ms / 1000}`)
}
