import { randomUUID } from 'node:crypto'
import { type Database, open, type RootDatabase } from 'lmdb'
import {
  DamagedEntryError,
  decodeEntry,
  type Entry,
  encodeEntry,
  encodeVersion,
  fromIndexKey,
  toIndexKey,
} from './file-entry.ts'
import type { StoreSettings } from './limits.ts'
import { SPACE_NAMES, type Space } from './store.ts'

/**
 * One space in the file. `entries` holds, under the key's bytes, a version of eight bytes (lmdb's own, a
 * random number that no two writes share) and the entry; `byExpiry` has the version under expiry + key for
 * each of them. Both change in one transaction or not at all, and lmdb's own count of their entries with them.
 */
export type Table = { entries: Database<Buffer, Buffer>; byExpiry: Database<Buffer, Buffer> }

/** The entry under a key, expired or not; `size` in bytes. */
export type StoredEntry = Entry & { version: number; size: number }

/** The options of every opening of the file; the check in a child process has the same. */
export function toLmdbOptions(directory: string, settings: StoreSettings) {
  return {
    path: directory,
    noSubdir: false,
    maxDbs: 2 * SPACE_NAMES.length + 1,
    // A commit is synced before any reader sees it, so that a write which resolved, and the answer to the
    // loser of a race, are on the disk. Writes that come meanwhile share the next commit.
    overlappingSync: false,
    // Batches of a turn have a promise that nobody can hold, and a commit that fails (a full disk) rejects it:
    // that would end the process.
    eventTurnBatching: false,
    // The writes of a turn share a commit all the same: a transaction starts when the turn is over, not earlier
    // because they are many or large. A process that exits in that turn would wait for itself for ever.
    txnStartThreshold: Number.MAX_SAFE_INTEGER,
    batchStartThreshold: Number.MAX_SAFE_INTEGER,
    // Address space, not memory or disk: with less, lmdb maps the file again while it grows.
    mapSize: Math.max(settings.maxBytes, 16 * 1024 * 1024),
    // The file has answers to callers in it.
    permissionsMode: 0o600,
  }
}

/** How lmdb opens the two databases of a space: bytes as they are, versions only where entries are compared. */
export const ENTRIES_OPTIONS = { encoding: 'binary', keyEncoding: 'binary', useVersions: true } as const
export const INDEX_OPTIONS = { encoding: 'binary', keyEncoding: 'binary' } as const

/** The databases of the first layout, whose values had no checksum, were named as their spaces. */
export const FIRST_LAYOUT_NAMES: readonly string[] = ['idempotency', 'owners']

/** The database with what the file says of itself: its id. */
export const META_NAME = '2:meta'
const ID_KEY = Buffer.from('id')

/** The names of a space's two databases. */
export function tableNames(space: Space): { entries: string; byExpiry: string } {
  return { entries: `2:${space}`, byExpiry: `2:${space}-by-expiry` }
}

/** Opens the two databases of a space, and makes them if they are missing. */
export function openTable(root: RootDatabase<Buffer, Buffer>, space: Space): Table {
  const names = tableNames(space)
  return {
    entries: root.openDB<Buffer, Buffer>(names.entries, ENTRIES_OPTIONS),
    byExpiry: root.openDB<Buffer, Buffer>(names.byExpiry, INDEX_OPTIONS),
  }
}

/** Opens the file in `directory`. Throws what lmdb throws. */
export function openRoot(directory: string, settings: StoreSettings): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>(toLmdbOptions(directory, settings))
}

/** The id of the file, which it gets when it is new; durable when it resolves. */
export async function readFileID(root: RootDatabase<Buffer, Buffer>): Promise<string> {
  const meta = root.openDB<Buffer, Buffer>(META_NAME, INDEX_OPTIONS)
  const current = meta.get(ID_KEY)
  if (current !== undefined) return current.toString()
  // Another process may give it one at the same time.
  await meta.ifNoExists(ID_KEY, () => meta.put(ID_KEY, Buffer.from(randomUUID())))
  return (meta.get(ID_KEY) as Buffer).toString()
}

/** The entry under a key, expired or not; undefined without one. Throws `DamagedEntryError`. */
export function readEntry(table: Table, key: Buffer): StoredEntry | undefined {
  const found = table.entries.getEntry(key)
  if (found === undefined) return undefined
  const { value, version } = found
  if (version === undefined) throw new DamagedEntryError()
  return { ...decodeEntry(key, version, value), version, size: value.length }
}

/** At most `limit` entries that have not expired, in the order of their keys. Throws `DamagedEntryError`. */
export function listEntries(
  table: Table,
  { start, limit, nowMs }: { start: Buffer | undefined; limit: number; nowMs: number },
): { key: string; value: string }[] {
  const listed: { key: string; value: string }[] = []
  for (const entry of table.entries.getRange({ ...(start && { start }), versions: true })) {
    const key = Buffer.from(entry.key)
    const { value, expiresAtMs } = decodeEntry(key, entry.version ?? Number.NaN, entry.value)
    if (expiresAtMs <= nowMs) continue
    listed.push({ key: key.toString(), value })
    if (listed.length === limit) break
  }
  return listed
}

/** What the index knows of an entry: enough to remove it without reading its value. */
type Due = { key: Buffer; version: number; expiresAtMs: number }

/** At most `limit` entries that have expired, the oldest first. */
export function readDue(table: Table, now: number, limit: number): Due[] {
  const due: Due[] = []
  for (const { key, value } of table.byExpiry.getRange({ end: toIndexKey(now + 1), limit })) {
    due.push({ ...fromIndexKey(key), version: value.readDoubleBE() })
  }
  return due
}

/** A number that no other write has: 53 random bits. */
export function newVersion(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER) + 1
}

/**
 * The writes of one change, in one transaction that happens only if `current` is still the entry there.
 * Nothing of it runs in JavaScript: a transaction that waits for a callback keeps its lock on the file
 * while this loop is busy, and for ever when this process exits.
 */
export function changeIfUnchanged(
  table: Table,
  key: Buffer,
  current: { version: number; expiresAtMs: number } | undefined,
  next: (Entry & { version: number }) | undefined,
): Promise<boolean> {
  const change = () => {
    if (current !== undefined) table.byExpiry.remove(toIndexKey(current.expiresAtMs, key))
    if (next === undefined) {
      table.entries.remove(key)
    } else {
      table.entries.put(key, encodeEntry(key, next), next.version)
      table.byExpiry.put(toIndexKey(next.expiresAtMs, key), encodeVersion(next.version))
    }
  }
  if (current === undefined) return table.entries.ifNoExists(key, change)
  return table.entries.ifVersion(key, current.version, change)
}
