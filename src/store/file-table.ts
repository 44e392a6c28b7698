import { type Database, open, type RootDatabase } from 'lmdb'
import type { StoreSettings } from './limits.ts'
import { type Entry, SPACES, type Space } from './store.ts'

const EXPIRY_BYTES = 8

/**
 * One space in the file. `entries` holds, under the key's bytes, a version of eight bytes (lmdb's own, a
 * random number that no two writes share), the expiry and the value; `byExpiry` has the version under
 * expiry + key for each of them. Both change in one transaction or not at all.
 */
export type Table = { entries: Database<Buffer, Buffer>; byExpiry: Database<Buffer, Buffer> }

/** The entry under a key, expired or not; `size` in bytes. */
export type StoredEntry = Entry & { version: number; size: number }

/** The options of every opening of the file; the check in a child process has the same. */
export function toLmdbOptions(directory: string, settings: StoreSettings) {
  return {
    path: directory,
    noSubdir: false,
    maxDbs: 2 * SPACES.length,
    // A commit is synced before any reader sees it, so that a write which resolved, and the answer to the
    // loser of a race, are on the disk. Writes that come meanwhile share the next commit.
    overlappingSync: false,
    // Else one large value opens its transaction before the turn of the loop has filled it, and a process
    // that exits in that turn waits for itself for ever.
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

/** The names of a space's two databases. */
export function tableNames(space: Space): { entries: string; byExpiry: string } {
  return { entries: space, byExpiry: `${space}-by-expiry` }
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

/** The entry under a key, expired or not; undefined without one. */
export function readEntry(table: Table, key: Buffer): StoredEntry | undefined {
  const found = table.entries.getEntry(key)
  if (found?.version === undefined) return undefined
  return { ...decodeEntry(found.value), version: found.version, size: found.value.length }
}

function encodeEntry(entry: Entry): Buffer {
  const bytes = Buffer.allocUnsafe(EXPIRY_BYTES + Buffer.byteLength(entry.value))
  bytes.writeBigUInt64BE(BigInt(entry.expiresAtMs))
  bytes.write(entry.value, EXPIRY_BYTES)
  return bytes
}

function decodeEntry(bytes: Buffer): Entry {
  return {
    expiresAtMs: Number(bytes.readBigUInt64BE()),
    value: bytes.toString('utf8', EXPIRY_BYTES),
  }
}

/** The key of an entry in the order of expiry; without a key, it sorts before all that expire at that moment. */
function toIndexKey(expiresAtMs: number, key?: Buffer): Buffer {
  const bytes = Buffer.alloc(EXPIRY_BYTES + (key?.length ?? 0))
  bytes.writeBigUInt64BE(BigInt(expiresAtMs))
  key?.copy(bytes, EXPIRY_BYTES)
  return bytes
}

/** What the index knows of an entry: enough to remove it without reading its value. */
type Due = { key: Buffer; version: number; expiresAtMs: number }

/** At most `limit` entries that have expired, the oldest first. */
export function readDue(table: Table, now: number, limit: number): Due[] {
  const due: Due[] = []
  for (const { key, value } of table.byExpiry.getRange({ end: toIndexKey(now + 1), limit })) {
    due.push({
      key: Buffer.from(key.subarray(EXPIRY_BYTES)),
      version: value.readDoubleBE(),
      expiresAtMs: Number(key.readBigUInt64BE()),
    })
  }
  return due
}

function encodeVersion(version: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(version)
  return bytes
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
      table.entries.put(key, encodeEntry(next), next.version)
      table.byExpiry.put(toIndexKey(next.expiresAtMs, key), encodeVersion(next.version))
    }
  }
  if (current === undefined) return table.entries.ifNoExists(key, change)
  return table.entries.ifVersion(key, current.version, change)
}
