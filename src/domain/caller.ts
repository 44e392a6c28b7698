/** What a caller may do at all; every route of a surface names the one it needs (design.md, section 2). */
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
  readonly origins: readonly string[]
  readonly limits: CallerLimits
}
