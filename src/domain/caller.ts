import type { Secret } from './secret.ts'

/** What a caller may do; every route behind a token names the scope it needs. */
export const SCOPES = [
  'run',
  'tasks:read',
  'tasks:read:all',
  'files:write',
  'queue:read',
  'queue:write',
] as const
export type Scope = (typeof SCOPES)[number]

/** The scopes of a token for which none are configured. */
export const PLAIN_SCOPES: readonly Scope[] = ['run', 'tasks:read', 'files:write', 'queue:read']

/** Limits of one caller. Without a member the caller has no such limit. */
export type CallerLimits = {
  readonly requestsPerMinute?: number
  readonly createsPerMinute?: number
  readonly concurrentRuns?: number
  /** Largest single file, in bytes. */
  readonly uploadBytes?: number
}

/** The rules of one caller. Patterns are as `domain/patterns.ts` reads them; an empty list allows none. */
export type CallerRules = {
  readonly scopes: ReadonlySet<Scope>
  readonly packages: readonly string[]
  readonly functions: readonly string[]
  /** Exact browser origins that this caller may use besides `ALLOWED_ORIGINS`. */
  readonly origins: readonly string[]
  readonly limits: CallerLimits
}

/** The rules of a caller without configured ones: a token given only by environment, or anyone. */
export const PLAIN_RULES: CallerRules = {
  scopes: new Set(PLAIN_SCOPES),
  packages: ['*'],
  functions: ['*'],
  origins: [],
  limits: {},
}

/** A configured caller. */
export type CallerConfig = {
  /** `isCallerID`; unique. Task owners are recorded under it, so it outlives its tokens. */
  readonly id: string
  /** SHA-256 of each token (`hashToken`), at least one; several while rotating. */
  readonly tokenHashes: readonly Buffer[]
  readonly rules: CallerRules
  /** The OOMOL key that this caller's requests are sent with; without it, the organisation's. */
  readonly apiKey?: Secret
}
