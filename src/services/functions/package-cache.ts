import type { RegistryApi } from '../../cloud/registry-api.ts'
import { type PackageSchemas, toPackageSchemas } from '../../domain/block-schema.ts'
import { GatewayError, toFailure } from '../../errors.ts'
import type { Caller } from '../callers/request-context.ts'

/** How long a tag such as `latest` stands for the version it was found to mean. */
const TAG_MS = 60_000
/** How long what a tag meant is used while the registry is away. */
const STALE_TAG_MS = 60 * 60_000
/** How long nobody asks again after a look-up that failed. */
const FAILURE_MS = 10_000

/** Bounds of what is kept: entries, and bytes by estimate. */
const MAX_ENTRIES = 1_000
const MAX_BYTES = 64 * 1024 * 1024
const BYTES_PER_NODE = 500

export type PackageVersion = { packageName: string; packageVersion: string }

/**
 * What the registry says of packages, remembered. A published version never changes, so it is asked for once;
 * a tag is resolved again after a minute. Callers of different credentials may see different packages, and
 * share nothing. Whoever asks for the same at once shares one request.
 */
export type PackageCache = {
  /** Undefined when the registry is away, or says nothing that can be used. Never throws. */
  find(caller: Caller, wanted: PackageVersion): Promise<PackageSchemas | undefined>
}

export type PackageCacheDeps = {
  registry: RegistryApi
  now: () => number
  /** How long a run waits for the registry at most. */
  lookUpMs: number
  /** Told why a look-up failed. */
  onFailure?: (wanted: PackageVersion, code: string) => void
}

type Entry = { found: PackageSchemas | undefined; askedAtMs: number; failedAtMs: number; bytes: number }

export function createPackageCache({ registry, now, lookUpMs, onFailure }: PackageCacheDeps): PackageCache {
  const cache = new EntryCache()
  const underWay = new Map<string, Promise<PackageSchemas | undefined>>()

  const lookUp = async (key: string, caller: Caller, wanted: PackageVersion) => {
    const askedAtMs = now()
    const { credential } = caller
    // Whoever asks may hand over more than these two, secrets among it.
    const { packageName, packageVersion } = wanted
    try {
      const query = { packageName, version: packageVersion, lang: undefined, deadlineMs: lookUpMs }
      const answer = await registry.packageInfo({ credential }, query)
      const found = toAnswered(wanted, answer.value)
      const entry = {
        found,
        askedAtMs,
        failedAtMs: Number.NEGATIVE_INFINITY,
        bytes: answer.bytes.length + found.nodes * BYTES_PER_NODE,
      }
      cache.put(key, entry)
      // What a tag means is itself a version that never changes.
      cache.put(keyOf(credential.id, found), entry)
      return found
    } catch (error) {
      onFailure?.({ packageName, packageVersion }, toFailure(error).code)
      const known = cache.get(key)
      const found = known !== undefined && now() - known.askedAtMs < STALE_TAG_MS ? known.found : undefined
      const entry = { askedAtMs: 0, bytes: 0, ...known, found, failedAtMs: now() }
      cache.put(key, entry)
      return found
    }
  }

  return {
    find: async (caller, wanted) => {
      const key = keyOf(caller.credential.id, wanted)
      const known = cache.get(key)
      if (known !== undefined && isFresh(known, wanted, now())) return known.found
      const running = underWay.get(key)
      if (running !== undefined) return running
      const begun = lookUp(key, caller, wanted).finally(() => underWay.delete(key))
      underWay.set(key, begun)
      return begun
    },
  }
}

function isFresh({ found, askedAtMs, failedAtMs }: Entry, wanted: PackageVersion, nowMs: number): boolean {
  if (nowMs - failedAtMs < FAILURE_MS) return true
  if (found === undefined) return false
  return isExactVersion(wanted.packageVersion) || nowMs - askedAtMs < TAG_MS
}

/** An answer about another package or version than was asked for is none. Throws `upstream_invalid_response`. */
function toAnswered(wanted: PackageVersion, value: unknown): PackageSchemas {
  const found = toPackageSchemas(value)
  const isSame =
    found?.packageName === wanted.packageName &&
    (found.packageVersion === wanted.packageVersion || !isExactVersion(wanted.packageVersion)) &&
    isExactVersion(found.packageVersion)
  if (found !== undefined && isSame) return found
  const detail = 'The registry gave an answer that is not as documented.'
  throw new GatewayError({ code: 'upstream_invalid_response', detail })
}

/** `1.4.0` and the like; `latest`, `1` and `beta` are tags, which may mean another version tomorrow. */
function isExactVersion(version: string): boolean {
  return /^\d+\.\d+\.\d+/.test(version)
}

function keyOf(credentialID: string, { packageName, packageVersion }: PackageVersion): string {
  return `${credentialID} ${packageName}@${packageVersion}`
}

/** Keeps what was used last, within both bounds. A Map remembers the order of insertion. */
class EntryCache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  put(key: string, entry: Entry): void {
    this.#drop(key)
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
