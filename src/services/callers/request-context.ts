import type { Credential } from '../../cloud/credential.ts'
import type { CallerRules, Scope } from '../../domain/caller.ts'
import type { Trace } from '../../domain/trace.ts'
import { GatewayError } from '../../errors.ts'

/**
 * Who sent a request. `id` is what owners and idempotency keys are kept under and what the log shows; no
 * two callers share one (a configured id has no colon, the others have).
 */
export type Caller = {
  readonly id: string
  readonly kind: 'app' | 'user' | 'anyone'
  readonly rules: CallerRules
  /** The one credential that goes upstream for this caller. */
  readonly credential: Credential
}

/** What a use case is told of the request it serves. `signal` aborts when the caller has left. */
export type RequestContext = { caller: Caller; signal: AbortSignal; trace: Trace }

/** What calls upstream are made with on behalf of a request. */
export function toCallContext(context: RequestContext): {
  credential: Credential
  signal: AbortSignal
  trace: Trace
} {
  return { credential: context.caller.credential, signal: context.signal, trace: context.trace }
}

/** Throws `insufficient_scope` unless the caller has the scope. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.rules.scopes.has(scope)) throw new GatewayError({ code: 'insufficient_scope', scope })
}
