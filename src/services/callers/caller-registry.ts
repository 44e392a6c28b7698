import type { Credential } from '../../cloud/credential.ts'
import type { CallerRules } from '../../domain/caller.ts'
import type { FunctionConfig } from '../../domain/named-function.ts'

/** An app that the configuration names, under the SHA-256 hashes of its tokens. */
export type KnownApp = {
  readonly id: string
  readonly tokenHashes: readonly Buffer[]
  readonly rules: CallerRules
  readonly credential: Credential
}

/** Who may call, and what they may call by name. */
export type DirectoryEntries = {
  readonly apps: readonly KnownApp[]
  readonly functions: readonly FunctionConfig[]
}

/** The entries that are in force: replaced as a whole, read anew for each request. */
export type Directory = {
  current(): DirectoryEntries
  /** From the next request on; requests under way keep the caller they came as. */
  replace(entries: DirectoryEntries): void
  /** Whether any app may be called for by pages of this origin. */
  isOriginOfSomeApp(origin: string): boolean
}

export function createDirectory(initial: DirectoryEntries): Directory {
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

function originsOf({ apps }: DirectoryEntries): ReadonlySet<string> {
  return new Set(apps.flatMap(({ rules }) => rules.origins))
}
