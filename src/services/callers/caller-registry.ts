import type { Credential } from '../../cloud/credential.ts'
import type { CallerRules } from '../../domain/caller.ts'
import type { FunctionConfig } from '../../domain/named-function.ts'

/** A configured caller, known by the SHA-256 hashes of its tokens, with the credential it acts with. */
export type RegisteredApp = {
  readonly id: string
  readonly tokenHashes: readonly Buffer[]
  readonly rules: CallerRules
  readonly credential: Credential
}

/** The apps and the named functions of one configuration. */
export type RegistryEntries = {
  readonly apps: readonly RegisteredApp[]
  readonly functions: readonly FunctionConfig[]
}

/** The current entries: replaced as a whole, read again for each request. */
export type CallerRegistry = {
  current(): RegistryEntries
  /** Takes effect with the next request; running requests keep their caller. */
  replace(entries: RegistryEntries): void
  /** Whether pages of this origin may act for any app. */
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
