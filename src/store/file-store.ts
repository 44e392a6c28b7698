import type { RootDatabase } from 'lmdb'
import { syncDirectory } from './directory.ts'
import { checkFile, prepareDirectory } from './file-check.ts'
import { DamagedEntryError, type Entry } from './file-entry.ts'
import { toOpenError } from './file-errors.ts'
import { FileLog } from './file-log.ts'
import { writeMarker } from './file-marker.ts'
import {
  changeIfUnchanged,
  listEntries,
  newVersion,
  openRoot,
  openTable,
  readDue,
  readEntry,
  readFileID,
  type StoredEntry,
  type Table,
} from './file-table.ts'
import { estimateBytes, FileUsage } from './file-usage.ts'
import {
  checkLife,
  checkValue,
  type Growth,
  type StoreSettings,
  toKeyBytes,
  toListStart,
  toUnavailable,
  withDefaults,
} from './limits.ts'
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
import { createWriteQueue, type WriteQueue } from './write-queue.ts'

/** Entries removed in one transaction of a sweep: about a millisecond of the loop. */
const SWEEP_STEP = 100
const NO_KEY = Buffer.from('\0')

type OpenFile = {
  root: RootDatabase<Buffer, Buffer>
  tables: Readonly<Record<Space, Table>>
  /** What is missing of it: spaces that need the whole store are closed. */
  damage: string | undefined
}

/** What to change (undefined: nothing), and what to answer then; decided on the current value, if it has not expired. */
type Decision<T> = { answer: T; change?: Change }
type Change = 'remove' | Entry

/** Opens the store in a directory, which is created if it is missing. Rejects with `StoreOpenError`. */
export async function openFileStore(directory: string, options: StoreOptions): Promise<Store> {
  const settings = withDefaults(options)
  await prepareDirectory(directory)
  const damage = await checkFile(directory, settings)
  try {
    const root = openRoot(directory, settings)
    const tables = forEachSpace((space) => openTable(root, space))
    // The first read takes a reader slot of the file, which fails for a second process with the same id.
    tables.owners.entries.get(NO_KEY)
    const id = await readFileID(root)
    await syncDirectory(directory)
    if (damage === undefined) await writeMarker(directory, { id, spaces: [...SPACE_NAMES] })
    return new FileStore({ root, tables, damage }, settings)
  } catch (error) {
    throw toOpenError(error)
  }
}

class FileStore implements Store {
  readonly #file: OpenFile
  readonly #settings: StoreSettings
  readonly #usage: FileUsage
  readonly #log: FileLog
  readonly #writes: WriteQueue
  readonly #sweeper: Sweeper
  #closing: Promise<void> | undefined

  constructor(file: OpenFile, settings: StoreSettings) {
    this.#file = file
    this.#settings = settings
    this.#usage = new FileUsage(file.tables, settings)
    this.#log = new FileLog(settings.log)
    this.#writes = createWriteQueue(settings.timeoutMs, (cause) => this.#log.noteFailedWrite(cause))
    this.#sweeper = createSweeper(() => this.#sweepAll(), settings)
  }

  async claim(space: Space, key: string, value: string, livesMs: number): Promise<string | undefined> {
    const change = this.#toEntry(value, livesMs)
    const decide = (current: string | undefined) => {
      if (current === undefined) return { answer: undefined, change }
      return { answer: current === value ? undefined : current }
    }
    return this.#update(space, toKeyBytes(key), decide, true)
  }

  async put(space: Space, key: string, value: string, livesMs: number): Promise<void> {
    const change = this.#toEntry(value, livesMs)
    return this.#update(space, toKeyBytes(key), () => ({ answer: undefined, change }))
  }

  async replace(space: Space, key: string, expected: string, value: string, livesMs: number) {
    const change = this.#toEntry(value, livesMs)
    const decide = (current: string | undefined) =>
      current === expected ? { answer: true, change } : { answer: false }
    return this.#update(space, toKeyBytes(key), decide)
  }

  async delete(space: Space, key: string, expected?: string): Promise<boolean> {
    const decide = (current: string | undefined): Decision<boolean> =>
      current === undefined || (expected !== undefined && current !== expected)
        ? { answer: false }
        : { answer: true, change: 'remove' }
    return this.#update(space, toKeyBytes(key), decide)
  }

  async get(space: Space, key: string): Promise<string | undefined> {
    const keyBytes = toKeyBytes(key)
    return this.#attempt(space, (table) => this.#live(readEntry(table, keyBytes))?.value)
  }

  async getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]> {
    const allBytes = keys.map(toKeyBytes)
    return this.#attempt(space, (table) =>
      allBytes.map((bytes) => this.#live(readEntry(table, bytes))?.value),
    )
  }

  async list(space: OrderedSpace, range: { from?: string; limit: number }): Promise<KeyAndValue[]> {
    const start = toListStart(range)
    const query = { start, limit: range.limit, nowMs: this.#settings.now() }
    return this.#attempt(space, (table) => listEntries(table, query))
  }

  async usage(): Promise<StoreUsage> {
    return this.#attempt(undefined, () => this.#usage.measure())
  }

  async sweep(): Promise<number> {
    return this.#attempt(undefined, () => this.#sweeper.sweep())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#sweeper.stop()
    const isIdle = await this.#writes.close()
    // lmdb would wait for a write that hangs, and block this thread meanwhile.
    if (isIdle) return this.#file.root.close()
    this.#settings.log?.warn({}, 'the store was left open: a write to it hangs')
  }

  /**
   * Reads, decides, and writes on the condition that the entry is still the one that was read; else another
   * write went through, and it starts over. A claim that lands after it was reported as failed is taken back.
   */
  async #update<T>(
    space: Space,
    key: Buffer,
    decide: (current: string | undefined) => Decision<T>,
    isClaim = false,
  ): Promise<T> {
    return this.#attempt(space, async (table) => {
      // In a damaged file an entry may be there for a write and not for a read.
      const untilMs = performance.now() + this.#settings.timeoutMs
      for (let isSwept = false; performance.now() < untilMs; ) {
        const found = readEntry(table, key)
        const current = this.#live(found)?.value
        const { answer, change } = decide(current)
        if (change === undefined) return answer
        const growth = toGrowth(key, found, change, current !== undefined)
        if (this.#usage.hasRoom(growth)) {
          const end = this.#usage.begin(growth)
          if (await this.#write(table, key, found, change, isClaim).finally(end)) return answer
        } else {
          if (isSwept) throw new Error('the store is full')
          isSwept = true
          await this.#sweeper.sweep()
        }
      }
      throw new Error('an entry changed as often as it was read')
    })
  }

  async #write(
    table: Table,
    key: Buffer,
    found: StoredEntry | undefined,
    change: Change,
    isClaim: boolean,
  ): Promise<boolean> {
    const next = change === 'remove' ? undefined : { ...change, version: newVersion() }
    const takeBack = isClaim ? () => changeIfUnchanged(table, key, next, undefined) : undefined
    const isDone = await this.#writes.run(() => changeIfUnchanged(table, key, found, next), takeBack)
    this.#log.noteWrite()
    return isDone
  }

  async #sweepAll(): Promise<number> {
    let removed = 0
    for (const table of Object.values(this.#file.tables)) {
      for (;;) {
        const due = readDue(table, this.#settings.now(), SWEEP_STEP)
        const removals = due.map((entry) =>
          this.#writes.run(() => changeIfUnchanged(table, entry.key, entry, undefined)),
        )
        const done = (await Promise.all(removals)).filter((isDone) => isDone).length
        removed += done
        if (done === 0 || due.length < SWEEP_STEP) break
      }
    }
    this.#usage.measure()
    return removed
  }

  #live<E extends Entry>(entry: E | undefined): E | undefined {
    return entry !== undefined && entry.expiresAtMs > this.#settings.now() ? entry : undefined
  }

  #toEntry(value: string, livesMs: number): Entry {
    checkValue(value)
    checkLife(livesMs)
    return { value, expiresAtMs: this.#settings.now() + livesMs }
  }

  /** Without a space, for all of them. */
  async #attempt<T>(space: Space | undefined, operation: (table: Table) => T | Promise<T>): Promise<T> {
    const { damage, tables } = this.#file
    try {
      if (this.#closing !== undefined) throw new Error('the store is closed')
      if (damage !== undefined && space !== undefined && optionsOf(space).needsWholeStore)
        throw new Error(damage)
      return await operation(tables[space ?? 'owners'])
    } catch (error) {
      if (error instanceof DamagedEntryError && space !== undefined) this.#log.noteDamage(space)
      throw toUnavailable(error)
    }
  }
}

function toGrowth(
  key: Buffer,
  found: StoredEntry | undefined,
  change: Change,
  replacesCurrent: boolean,
): Growth {
  const before = found === undefined ? 0 : estimateBytes(key.length, found.size)
  const after = change === 'remove' ? 0 : estimateBytes(key.length, Buffer.byteLength(change.value))
  return { bytes: after - before, replacesCurrent }
}
