import type { RegistryApi } from '../../cloud/registry-api.ts'
import { type PackageSchemas, toPackageSchemas } from '../../domain/block-schema.ts'
import { GatewayError, toFailure } from '../../errors.ts'
import type { Caller } from '../callers/request-context.ts'

/** How long a resolved tag such as `latest` is used without asking again. */
const TAG_MS = 60_000
/** How long a resolved tag is used while the registry is unavailable. */
const STALE_TAG_MS = 60 * 60_000
/** How long after a failed look-up no other one is made. */
const FAILURE_MS = 10_000

/** Bounds of the cache, in entries and in estimated bytes. */
const MAX_ENTRIES = 1_000
const MAX_BYTES = 64 * 1024 * 1024
const BYTES_PER_NODE = 500

type PackageVersion = { packageName: string; packageVersion: string }

/**
 * A cache of packages from the registry. A published version never changes, so it is fetched once; a tag is
 * resolved again after a minute. Callers with different credentials may see different packages, so they share
 * no entries. Concurrent look-ups of the same package share one request.
 */
export type PackageCache = {
  /** Undefined if the registry is unavailable or its answer is unusable. Never throws. */
  find(caller: Caller, wanted: PackageVersion): Promise<PackageSchemas | undefined>
}

type PackageCacheDeps = {
  registry: RegistryApi
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  /** Most milliseconds that a look-up takes, because runs wait for it. */
  lookUpMs: number
  /** Called after a failed look-up, with the code of its failure. */
  onFailure?: (wanted: PackageVersion, code: string) => void
}

type Entry = { found: PackageSchemas | undefined; askedAtMs: number; failedAtMs: number; bytes: number }

export function createPackageCache({
  registry,
  monotonicNow,
  lookUpMs,
  onFailure,
}: PackageCacheDeps): PackageCache {
  const cache = createEntryCache()
  const pending = new Map<string, Promise<PackageSchemas | undefined>>()

  const lookUp = async (key: string, caller: Caller, wanted: PackageVersion) => {
    const askedAtMs = monotonicNow()
    const { credential } = caller
    // `wanted` can be a whole function with its secrets: only these two go into logs and requests.
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
      // The version that a tag means never changes, so it is cached too.
      cache.put(keyOf(credential.id, found), entry)
      return found
    } catch (error) {
      onFailure?.({ packageName, packageVersion }, toFailure(error).code)
      const known = cache.get(key)
      const found =
        known !== undefined && monotonicNow() - known.askedAtMs < STALE_TAG_MS ? known.found : undefined
      const entry = {
        askedAtMs: Number.NEGATIVE_INFINITY,
        bytes: 0,
        ...known,
        found,
        failedAtMs: monotonicNow(),
      }
      cache.put(key, entry)
      return found
    }
  }

  return {
    find: async (caller, wanted) => {
      const key = keyOf(caller.credential.id, wanted)
      const known = cache.get(key)
      if (known !== undefined && isFresh(known, wanted, monotonicNow())) return known.found
      const running = pending.get(key)
      if (running !== undefined) return running
      const begun = lookUp(key, caller, wanted).finally(() => pending.delete(key))
      pending.set(key, begun)
      return begun
    },
  }
}

function isFresh({ found, askedAtMs, failedAtMs }: Entry, wanted: PackageVersion, nowMs: number): boolean {
  if (nowMs - failedAtMs < FAILURE_MS) return true
  if (found === undefined) return false
  return isExactVersion(wanted.packageVersion) || nowMs - askedAtMs < TAG_MS
}

/** Throws `upstream_invalid_response` if the answer is about another package or version than `wanted`. */
function toAnswered(wanted: PackageVersion, value: unknown): PackageSchemas {
  const found = toPackageSchemas(value)
  const isSame =
    found?.packageName === wanted.packageName &&
    (found.packageVersion === wanted.packageVersion || !isExactVersion(wanted.packageVersion)) &&
    isExactVersion(found.packageVersion)
  if (found !== undefined && isSame) return found
  const detail = 'The registry gave an invalid answer.'
  throw new GatewayError({ code: 'upstream_invalid_response', detail })
}

/** `1.4.0` and the like; `latest`, `1` and `beta` are tags, which can mean another version tomorrow. */
function isExactVersion(version: string): boolean {
  return /^\d+\.\d+\.\d+/.test(version)
}

function keyOf(credentialID: string, { packageName, packageVersion }: PackageVersion): string {
  return `${credentialID} ${packageName}@${packageVersion}`
}

/** Drops the least recently used entries beyond the bounds. A Map keeps the order of insertion. */
type EntryCache = { get(key: string): Entry | undefined; put(key: string, entry: Entry): void }

function createEntryCache(): EntryCache {
  const entries = new Map<string, Entry>()
  let bytes = 0
  const drop = (key: string) => {
    bytes -= entries.get(key)?.bytes ?? 0
    entries.delete(key)
  }
  return {
    get: (key) => {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    put: (key, entry) => {
      drop(key)
      entries.set(key, entry)
      bytes += entry.bytes
      for (const oldest of entries.keys()) {
        if (entries.size <= MAX_ENTRIES && bytes <= MAX_BYTES) return
        drop(oldest)
      }
    },
  }
}
