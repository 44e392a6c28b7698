import type { FastifyReply, FastifyRequest } from 'fastify'
import { chooseWait, parsePrefer, parseWaitSeconds, type Wait } from '../../domain/wait.ts'
import { GatewayError } from '../../errors.ts'
import { acceptsEventStream, headerOf } from './request-headers.ts'

/** Milliseconds: the wait of who names none, the longest, and between two comments that keep a stream open. */
export type WaitLimits = { defaultMs: number; maxMs: number; keepAliveMs: number }

/** In which form a caller wants to be answered. */
export type ResponseMode =
  | { kind: 'async' }
  | { kind: 'blocking'; wait: Wait }
  | { kind: 'events'; wait: Wait; keepAliveMs: number }

/** Reads `Prefer`, `?wait` and `Accept`. Throws `invalid_request` for a `?wait` that is no number of seconds. */
export function responseModeOf(request: FastifyRequest, limits: WaitLimits): ResponseMode {
  const prefer = parsePrefer(headerOf(request, 'prefer'))
  const { wait: asked } = request.query as { wait?: string }
  const querySeconds = asked === undefined ? undefined : parseWaitSeconds(asked)
  if (asked !== undefined && querySeconds === undefined) {
    const errors = [{ path: 'wait', message: 'is no number of seconds' }]
    throw new GatewayError({ code: 'invalid_request', detail: 'The query is not as documented.', errors })
  }
  if (prefer.respondAsync) return { kind: 'async' }
  const wait = chooseWait(querySeconds, prefer.waitSeconds, limits)
  if (!acceptsEventStream(request)) return { kind: 'blocking', wait }
  return { kind: 'events', wait, keepAliveMs: limits.keepAliveMs }
}

/** Tells the caller which wait it got, when it had asked for one (RFC 7240, section 3). */
export function applyPreference(reply: FastifyReply, form: ResponseMode): void {
  if (form.kind === 'async') reply.header('preference-applied', 'respond-async')
  else if (form.wait.asked) reply.header('preference-applied', `wait=${form.wait.ms / 1000}`)
}
