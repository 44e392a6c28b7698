import type { Database } from 'lmdb'
import type { Table } from './file-table.ts'
import { type Growth, hasRoom, type StoreSettings } from './limits.ts'
import { SPACES, type Space } from './store.ts'

/** Reading how full the file is costs about 20 µs: the figures are used this long, growth added. In milliseconds. */
const REFRESH_MS = 100
/** What an entry takes beside its key (twice) and its value: headers, expiries, version. */
const ENTRY_OVERHEAD_BYTES = 64

/** About how many bytes an entry takes in the file. */
export function estimateBytes(keyBytes: number, valueBytes: number): number {
  return 2 * keyBytes + valueBytes + ENTRY_OVERHEAD_BYTES
}

/** Keeps count of how full the file is: what is in it, and what is on its way into it. */
export class FileUsage {
  readonly #tables: Readonly<Record<Space, Table>>
  readonly #settings: StoreSettings
  #measuredAt = Number.NEGATIVE_INFINITY
  #entries: Record<Space, number> = { idempotency: 0, owners: 0 }
  #bytes = 0
  readonly #pendingEntries: Record<Space, number> = { idempotency: 0, owners: 0 }
  #pendingBytes = 0

  constructor(tables: Readonly<Record<Space, Table>>, settings: StoreSettings) {
    this.#tables = tables
    this.#settings = settings
  }

  /** Whether a write fits; measures again before it says no. */
  hasRoom(space: Space, growth: Growth): boolean {
    if (performance.now() - this.#measuredAt < REFRESH_MS && this.#fits(space, growth)) return true
    this.#measure()
    return this.#fits(space, growth)
  }

  /** Counts a write as pending; the returned function ends that. */
  begin(space: Space, growth: Growth): () => void {
    this.#entries[space] += growth.entries
    this.#bytes += growth.bytes
    this.#pendingEntries[space] += growth.entries
    this.#pendingBytes += growth.bytes
    return () => {
      this.#pendingEntries[space] -= growth.entries
      this.#pendingBytes -= growth.bytes
    }
  }

  #fits(space: Space, growth: Growth): boolean {
    return hasRoom({ entries: this.#entries[space], bytes: this.#bytes }, growth, this.#settings)
  }

  #measure(): void {
    this.#bytes = this.#pendingBytes
    for (const space of SPACES) {
      const entries = toSize(this.#tables[space].entries)
      this.#entries[space] = entries.count + this.#pendingEntries[space]
      this.#bytes += entries.bytes + toSize(this.#tables[space].byExpiry).bytes
    }
    this.#measuredAt = performance.now()
  }
}

type Stats = {
  pageSize: number
  treeBranchPageCount: number
  treeLeafPageCount: number
  overflowPages: number
  entryCount: number
}

function toSize(database: Database<Buffer, Buffer>): { count: number; bytes: number } {
  const stats = database.getStats() as Stats
  const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages
  return { count: stats.entryCount, bytes: pages * stats.pageSize }
}
