import type { Secret } from './secret.ts'

/** What a caller may do at all; every route of a surface names the one it needs. */
export const SCOPES = [
  'run',
  'tasks:read',
  'tasks:read:all',
  'files:write',
  'queue:read',
  'queue:write',
] as const
export type Scope = (typeof SCOPES)[number]

/** What a token has when nobody said otherwise. */
export const PLAIN_SCOPES: readonly Scope[] = ['run', 'tasks:read', 'files:write', 'queue:read']

/** Limits of one caller; left out means no limit of its own. */
export type CallerLimits = {
  readonly requestsPerMinute?: number
  readonly createsPerMinute?: number
  readonly concurrentRuns?: number
  /** Largest single file, in bytes. */
  readonly uploadBytes?: number
}

/** The rules one caller lives under. Patterns are as `domain/patterns.ts` reads them; an empty list allows none. */
export type CallerRules = {
  readonly scopes: ReadonlySet<Scope>
  readonly packages: readonly string[]
  readonly functions: readonly string[]
  /** Exact browser origins this caller may come from beside `ALLOWED_ORIGINS`. */
  readonly origins: readonly string[]
  readonly limits: CallerLimits
}

/** The rules of a caller that has none of its own: a token given by environment alone, or anyone. */
export const PLAIN_RULES: CallerRules = {
  scopes: new Set(PLAIN_SCOPES),
  packages: ['*'],
  functions: ['*'],
  origins: [],
  limits: {},
}

/** An app that may call, as configured. */
export type CallerConfig = {
  /** `isCallerID`; unique. Owners of tasks are kept by it, so it outlives its tokens. */
  readonly id: string
  /** SHA-256 of each token (`hashToken`), at least one; several while rotating. */
  readonly tokenHashes: readonly Buffer[]
  readonly rules: CallerRules
  /** The OOMOL key this caller acts with; left out: the organisation's. */
  readonly apiKey?: Secret
}
