import {
  checkLife,
  checkValue,
  FillWarning,
  hasRoom,
  type StoreSettings,
  toKeyBytes,
  toListStart,
  toUnavailable,
  withDefaults,
} from './limits.ts'
import { MemoryShelf, type ShelfEntry } from './memory-shelf.ts'
import {
  forEachSpace,
  type KeyAndValue,
  type OrderedSpace,
  optionsOf,
  SPACE_NAMES,
  type Space,
  type Store,
  type StoreOptions,
  type StoreUsage,
} from './store.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'

/** Entries removed before other work gets its turn: about a millisecond. */
const SWEEP_STEP = 1000
/** About what an entry takes beside its key and its value. */
const ENTRY_OVERHEAD_BYTES = 200

/** A store for development and tests: it ends with this process. */
export function createMemoryStore(options: StoreOptions): Store {
  return new MemoryStore(withDefaults(options))
}

class MemoryStore implements Store {
  readonly #settings: StoreSettings
  readonly #shelves = forEachSpace((space) => new MemoryShelf(optionsOf(space).isOrdered === true))
  readonly #sweeper: Sweeper
  readonly #fillWarning: FillWarning
  #bytes = 0
  #isClosed = false

  constructor(settings: StoreSettings) {
    this.#settings = settings
    this.#sweeper = createSweeper(() => this.#sweepAll(), settings)
    this.#fillWarning = new FillWarning(settings)
  }

  async claim(space: Space, key: string, value: string, livesMs: number): Promise<string | undefined> {
    const current = await this.#write(space, key, value, livesMs, (found) => found === undefined)
    return current === value ? undefined : current
  }

  async put(space: Space, key: string, value: string, livesMs: number): Promise<void> {
    await this.#write(space, key, value, livesMs, () => true)
  }

  async replace(space: Space, key: string, expected: string, value: string, livesMs: number) {
    const isExpected = (current: string | undefined) => current === expected
    return (await this.#write(space, key, value, livesMs, isExpected)) === expected
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

  async list(space: OrderedSpace, range: { from?: string; limit: number }): Promise<KeyAndValue[]> {
    const start = toListStart(range)
    this.#checkOpen()
    const now = this.#settings.now()
    const listed: KeyAndValue[] = []
    for (const [key, { value, expiresAtMs }] of this.#shelves[space].inOrder(start)) {
      if (expiresAtMs <= now) continue
      listed.push({ key, value })
      if (listed.length === range.limit) break
    }
    return listed
  }

  async delete(space: Space, key: string, expected?: string): Promise<boolean> {
    toKeyBytes(key)
    this.#checkOpen()
    const current = this.#live(space, key)
    if (current === undefined || (expected !== undefined && current.value !== expected)) return false
    this.#remove(space, key)
    return true
  }

  async usage(): Promise<StoreUsage> {
    this.#checkOpen()
    const entries = forEachSpace((space) => this.#shelves[space].size)
    return { entries, bytes: this.#bytes, maxBytes: this.#settings.maxBytes }
  }

  async sweep(): Promise<number> {
    this.#checkOpen()
    return this.#sweeper.sweep()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#sweeper.stop()
    for (const shelf of Object.values(this.#shelves)) shelf.clear()
  }

  /** Writes if `mayWrite` allows it for the current value; answers with the value before the write. */
  async #write(
    space: Space,
    key: string,
    value: string,
    livesMs: number,
    mayWrite: (current: string | undefined) => boolean,
  ) {
    const keyBytes = toKeyBytes(key)
    checkValue(value)
    checkLife(livesMs)
    this.#checkOpen()
    const bytes = keyBytes.length + Buffer.byteLength(value) + ENTRY_OVERHEAD_BYTES
    for (let isSwept = false; ; isSwept = true) {
      const current = this.#live(space, key)?.value
      if (!mayWrite(current)) return current
      const before = this.#shelves[space].get(key)?.bytes ?? 0
      const growth = { bytes: bytes - before, replacesCurrent: current !== undefined }
      if (hasRoom(this.#bytes, growth, this.#settings)) {
        this.#shelves[space].set(key, { value, expiresAtMs: this.#settings.now() + livesMs, bytes })
        this.#bytes += growth.bytes
        this.#fillWarning.note(this.#bytes)
        return current
      }
      if (isSwept) throw toUnavailable(new Error('the store is full'))
      await this.sweep()
      this.#checkOpen()
    }
  }

  #remove(space: Space, key: string): void {
    this.#bytes -= this.#shelves[space].get(key)?.bytes ?? 0
    this.#shelves[space].delete(key)
  }

  #live(space: Space, key: string): ShelfEntry | undefined {
    const found = this.#shelves[space].get(key)
    return found !== undefined && found.expiresAtMs > this.#settings.now() ? found : undefined
  }

  async #sweepAll(): Promise<number> {
    const now = this.#settings.now()
    let removed = 0
    for (const space of SPACE_NAMES) {
      for (const key of this.#shelves[space].expiredKeys(now)) {
        this.#remove(space, key)
        removed += 1
        if (removed % SWEEP_STEP === 0) await new Promise(setImmediate)
      }
    }
    this.#fillWarning.note(this.#bytes)
    return removed
  }

  #checkOpen(): void {
    if (this.#isClosed) throw toUnavailable(new Error('the store is closed'))
  }
}
