import type { Credential } from '../../cloud/credential.ts'
import type { CallerRules } from '../../domain/caller.ts'
import type { Trace } from '../../domain/trace.ts'

/**
 * Who sent a request. Owners and idempotency keys are stored under `id`, and the log shows it. Ids are unique:
 * configured ones have no colon, all others have one.
 */
export type Caller = {
  readonly id: string
  readonly kind: 'app' | 'user' | 'anyone'
  readonly rules: CallerRules
  /** The only credential that goes upstream for this caller. */
  readonly credential: Credential
}

/** A request as services see it. `signal` aborts when the caller disconnects. */
export type RequestContext = { caller: Caller; signal: AbortSignal; trace: Trace }

/** The part of a request's context that a call upstream needs. */
export function toCallContext(context: RequestContext): {
  credential: Credential
  signal: AbortSignal
  trace: Trace
} {
  return { credential: context.caller.credential, signal: context.signal, trace: context.trace }
}
