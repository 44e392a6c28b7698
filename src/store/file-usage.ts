import type { Database } from 'lmdb'
import type { Table } from './file-table.ts'
import { FillWarning, type Growth, hasRoom, type StoreSettings } from './limits.ts'
import { forEachSpace, type Space, type StoreUsage } from './store.ts'

/** Reading how full the file is costs about 20 µs: the figures are used this long, growth added. In milliseconds. */
const REFRESH_MS = 100
/** What an entry takes beside its key (twice) and its value: headers, expiries, version, checksum. */
const ENTRY_OVERHEAD_BYTES = 68

/** About how many bytes an entry takes in the file. */
export function estimateBytes(keyBytes: number, valueBytes: number): number {
  return 2 * keyBytes + valueBytes + ENTRY_OVERHEAD_BYTES
}

/** Keeps count of how full the file is: what is in it, and what is on its way into it. */
export class FileUsage {
  readonly #tables: Readonly<Record<Space, Table>>
  readonly #settings: StoreSettings
  readonly #fillWarning: FillWarning
  #measuredAt = Number.NEGATIVE_INFINITY
  #bytes = 0
  #pendingBytes = 0

  constructor(tables: Readonly<Record<Space, Table>>, settings: StoreSettings) {
    this.#tables = tables
    this.#settings = settings
    this.#fillWarning = new FillWarning(settings)
  }

  /** Whether a write fits; measures again before it says no. */
  hasRoom(growth: Growth): boolean {
    const isFresh = performance.now() - this.#measuredAt < REFRESH_MS
    if (isFresh && hasRoom(this.#bytes, growth, this.#settings)) return true
    this.measure()
    return hasRoom(this.#bytes, growth, this.#settings)
  }

  /** Counts a write as pending; the returned function ends that. */
  begin({ bytes }: Growth): () => void {
    this.#bytes += bytes
    this.#pendingBytes += bytes
    return () => {
      this.#pendingBytes -= bytes
    }
  }

  /** Reads how full the file is; warns when that is nearly all. */
  measure(): StoreUsage {
    this.#bytes = this.#pendingBytes
    const entries = forEachSpace((space) => {
      const size = toSize(this.#tables[space].entries)
      this.#bytes += size.bytes + toSize(this.#tables[space].byExpiry).bytes
      return size.count
    })
    this.#measuredAt = performance.now()
    this.#fillWarning.note(this.#bytes)
    return { entries, bytes: this.#bytes, maxBytes: this.#settings.maxBytes }
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
