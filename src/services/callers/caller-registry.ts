import type { Credential } from '../../cloud/credential.ts'
import type { CallerRules } from '../../domain/caller.ts'
import type { FunctionConfig } from '../../domain/named-function.ts'

/** An app that the configuration names, under the SHA-256 hashes of its tokens. */
export type RegisteredApp = {
  readonly id: string
  readonly tokenHashes: readonly Buffer[]
  readonly rules: CallerRules
  readonly credential: Credential
}

/** Who may call, and what they may call by name. */
export type RegistryEntries = {
  readonly apps: readonly RegisteredApp[]
  readonly functions: readonly FunctionConfig[]
}

/** The entries that are in force: replaced as a whole, read anew for each request. */
export type CallerRegistry = {
  current(): RegistryEntries
  /** From the next request on; requests under way keep the caller they came as. */
  replace(entries: RegistryEntries): void
  /** Whether any app may be called for by pages of this origin. */
  isOriginOfSomeApp(origin: string): boolean
}

export function createCallerRegistry(initial: RegistryEntries): CallerRegistry {
  let entries = initial
  let origins = originsOf(initial)
  return {
    current: () => entries,
    replace: (next) => {
      entries = next
      origins = originsOf(next)
    },
    isOriginOfSomeApp: (origin) => origins.has(origin),
  }
}

function originsOf({ apps }: RegistryEntries): ReadonlySet<string> {
  return new Set(apps.flatMap(({ rules }) => rules.origins))
}
