import {
  checkExpiry,
  checkValue,
  type Growth,
  hasRoom,
  type StoreSettings,
  toKeyBytes,
  toUnavailable,
  withDefaults,
} from './limits.ts'
import type { Entry, Space, Store, StoreOptions } from './store.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'

const MINUTE_MS = 60_000
/** Entries removed before other work gets its turn: about a millisecond. */
const SWEEP_STEP = 1000

type StoredEntry = Entry & { bytes: number }

/** One space: its entries, and which of them expire in which minute. */
type Shelf = { entries: Map<string, StoredEntry>; keysByMinute: Map<number, Set<string>> }

/** A store for development and tests: it ends with this process. */
export function createMemoryStore(options: StoreOptions): Store {
  return new MemoryStore(withDefaults(options))
}

class MemoryStore implements Store {
  readonly #settings: StoreSettings
  readonly #shelves: Readonly<Record<Space, Shelf>> = { idempotency: createShelf(), owners: createShelf() }
  readonly #sweeper: Sweeper
  #bytes = 0
  #isClosed = false

  constructor(settings: StoreSettings) {
    this.#settings = settings
    this.#sweeper = createSweeper(() => this.#sweepAll(), settings)
  }

  async claim(space: Space, key: string, value: string, expiresAtMs: number): Promise<string | undefined> {
    return this.#write(space, key, { value, expiresAtMs }, (current) => current === undefined)
  }

  async put(space: Space, key: string, value: string, expiresAtMs: number): Promise<void> {
    await this.#write(space, key, { value, expiresAtMs }, () => true)
  }

  async replace(space: Space, key: string, expected: string, value: string, expiresAtMs: number) {
    const isExpected = (current: string | undefined) => current === expected
    return (await this.#write(space, key, { value, expiresAtMs }, isExpected)) === expected
  }

  async get(space: Space, key: string): Promise<string | undefined> {
    toKeyBytes(key)
    this.#checkOpen()
    return this.#live(space, key)?.value
  }

  async getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]> {
    for (const key of keys) toKeyBytes(key)
    this.#checkOpen()
    return keys.map((key) => this.#live(space, key)?.value)
  }

  async delete(space: Space, key: string, expected?: string): Promise<boolean> {
    toKeyBytes(key)
    this.#checkOpen()
    const current = this.#live(space, key)
    if (current === undefined || (expected !== undefined && current.value !== expected)) return false
    this.#remove(this.#shelves[space], key)
    return true
  }

  async sweep(): Promise<number> {
    this.#checkOpen()
    return this.#sweeper.sweep()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#sweeper.stop()
    for (const shelf of Object.values(this.#shelves)) {
      shelf.entries.clear()
      shelf.keysByMinute.clear()
    }
  }

  /** Writes if `mayWrite` allows it for the current value; answers with the value before the write. */
  async #write(space: Space, key: string, entry: Entry, mayWrite: (current: string | undefined) => boolean) {
    const keyBytes = toKeyBytes(key)
    checkValue(entry.value)
    checkExpiry(entry.expiresAtMs)
    this.#checkOpen()
    const bytes = keyBytes.length + Buffer.byteLength(entry.value)
    for (let isSwept = false; ; isSwept = true) {
      const current = this.#live(space, key)?.value
      if (!mayWrite(current)) return current
      const found = this.#shelves[space].entries.get(key)
      const growth = {
        entries: found === undefined ? 1 : 0,
        bytes: bytes - (found?.bytes ?? 0),
        replacesCurrent: current !== undefined,
      }
      if (this.#hasRoom(space, growth)) {
        this.#set(this.#shelves[space], key, { ...entry, bytes })
        return current
      }
      if (isSwept) throw toUnavailable(new Error('the store is full'))
      await this.sweep()
      this.#checkOpen()
    }
  }

  #set(shelf: Shelf, key: string, found: StoredEntry): void {
    this.#remove(shelf, key)
    shelf.entries.set(key, found)
    this.#bytes += found.bytes
    const minute = Math.floor(found.expiresAtMs / MINUTE_MS)
    const keys = shelf.keysByMinute.get(minute) ?? new Set()
    shelf.keysByMinute.set(minute, keys.add(key))
  }

  #remove(shelf: Shelf, key: string): void {
    const found = shelf.entries.get(key)
    if (found === undefined) return
    shelf.entries.delete(key)
    this.#bytes -= found.bytes
    const minute = Math.floor(found.expiresAtMs / MINUTE_MS)
    const keys = shelf.keysByMinute.get(minute)
    keys?.delete(key)
    if (keys?.size === 0) shelf.keysByMinute.delete(minute)
  }

  #live(space: Space, key: string): StoredEntry | undefined {
    const found = this.#shelves[space].entries.get(key)
    return found !== undefined && found.expiresAtMs > this.#settings.now() ? found : undefined
  }

  #hasRoom(space: Space, growth: Growth): boolean {
    const usage = { entries: this.#shelves[space].entries.size, bytes: this.#bytes }
    return hasRoom(usage, growth, this.#settings)
  }

  async #sweepAll(): Promise<number> {
    const now = this.#settings.now()
    let removed = 0
    for (const shelf of Object.values(this.#shelves)) {
      for (const key of expiredKeys(shelf, now)) {
        this.#remove(shelf, key)
        removed += 1
        if (removed % SWEEP_STEP === 0) await new Promise(setImmediate)
      }
    }
    return removed
  }

  #checkOpen(): void {
    if (this.#isClosed) throw toUnavailable(new Error('the store is closed'))
  }
}

function createShelf(): Shelf {
  return { entries: new Map(), keysByMinute: new Map() }
}

// Entries of a Map and a Set may be deleted during iteration.
function* expiredKeys(shelf: Shelf, now: number): Generator<string> {
  for (const [minute, keys] of shelf.keysByMinute) {
    if (minute * MINUTE_MS > now) continue
    for (const key of keys) {
      const found = shelf.entries.get(key)
      if (found !== undefined && found.expiresAtMs <= now) yield key
    }
  }
}
