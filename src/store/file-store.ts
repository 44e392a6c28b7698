import type { RootDatabase } from 'lmdb'
import { checkFile, prepareDirectory, syncDirectory, toOpenError } from './file-check.ts'
import {
  changeIfUnchanged,
  newVersion,
  openRoot,
  openTable,
  readDue,
  readEntry,
  type StoredEntry,
  type Table,
} from './file-table.ts'
import { estimateBytes, FileUsage } from './file-usage.ts'
import {
  checkExpiry,
  checkValue,
  type Growth,
  type StoreSettings,
  toKeyBytes,
  toUnavailable,
  withDefaults,
} from './limits.ts'
import type { Entry, Space, Store, StoreOptions } from './store.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'
import { createWriteQueue, type WriteQueue } from './write-queue.ts'

/** Entries removed in one transaction of a sweep: about a millisecond of the loop. */
const SWEEP_STEP = 100
const NO_KEY = Buffer.from('\0')

type Tables = Readonly<Record<Space, Table>>

/** What to change (undefined: nothing), and what to answer then; decided on the current value, if it has not expired. */
type Decision<T> = { answer: T; change?: Change }
type Change = 'remove' | Entry

/** Opens the store in a directory, which is created if it is missing. Rejects with `StoreOpenError`. */
export async function openFileStore(directory: string, options: StoreOptions): Promise<Store> {
  const settings = withDefaults(options)
  await prepareDirectory(directory)
  await checkFile(directory, settings)
  try {
    const root = openRoot(directory, settings)
    const tables = { idempotency: openTable(root, 'idempotency'), owners: openTable(root, 'owners') }
    // The first read takes a reader slot of the file, which fails for a second process with the same id.
    tables.owners.entries.get(NO_KEY)
    await syncDirectory(directory)
    return new FileStore(root, tables, settings)
  } catch (error) {
    throw toOpenError(error)
  }
}

class FileStore implements Store {
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #tables: Tables
  readonly #settings: StoreSettings
  readonly #usage: FileUsage
  readonly #writes: WriteQueue
  readonly #sweeper: Sweeper
  #closing: Promise<void> | undefined

  constructor(root: RootDatabase<Buffer, Buffer>, tables: Tables, settings: StoreSettings) {
    this.#root = root
    this.#tables = tables
    this.#settings = settings
    this.#usage = new FileUsage(tables, settings)
    this.#writes = createWriteQueue(settings.timeoutMs)
    this.#sweeper = createSweeper(() => this.#sweepAll(), settings)
  }

  async claim(space: Space, key: string, value: string, expiresAtMs: number): Promise<string | undefined> {
    const change = toChecked(value, expiresAtMs)
    const decide = (current: string | undefined) =>
      current === undefined ? { answer: undefined, change } : { answer: current }
    return this.#update(space, toKeyBytes(key), decide, true)
  }

  async put(space: Space, key: string, value: string, expiresAtMs: number): Promise<void> {
    const change = toChecked(value, expiresAtMs)
    return this.#update(space, toKeyBytes(key), () => ({ answer: undefined, change }))
  }

  async replace(space: Space, key: string, expected: string, value: string, expiresAtMs: number) {
    const change = toChecked(value, expiresAtMs)
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
    return this.#attempt(() => this.#live(readEntry(this.#tables[space], keyBytes))?.value)
  }

  async getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]> {
    const table = this.#tables[space]
    const allBytes = keys.map(toKeyBytes)
    return this.#attempt(() => allBytes.map((keyBytes) => this.#live(readEntry(table, keyBytes))?.value))
  }

  async sweep(): Promise<number> {
    return this.#attempt(() => this.#sweeper.sweep())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#sweeper.stop()
    const isIdle = await this.#writes.close()
    // lmdb would wait for a write that hangs, and block this thread meanwhile.
    if (isIdle) await this.#root.close()
    else this.#settings.log?.warn({}, 'the store was left open: a write to it hangs')
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
    return this.#attempt(async () => {
      for (let isSwept = false; ; ) {
        const found = readEntry(this.#tables[space], key)
        const current = this.#live(found)?.value
        const { answer, change } = decide(current)
        if (change === undefined) return answer
        const growth = toGrowth(key, found, change, current !== undefined)
        if (this.#usage.hasRoom(space, growth)) {
          const end = this.#usage.begin(space, growth)
          if (await this.#write(space, key, found, change, isClaim).finally(end)) return answer
        } else {
          if (isSwept) throw new Error('the store is full')
          isSwept = true
          await this.#sweeper.sweep()
        }
      }
    })
  }

  #write(
    space: Space,
    key: Buffer,
    found: StoredEntry | undefined,
    change: Change,
    isClaim: boolean,
  ): Promise<boolean> {
    const table = this.#tables[space]
    const next = change === 'remove' ? undefined : { ...change, version: newVersion() }
    const takeBack = isClaim ? () => changeIfUnchanged(table, key, next, undefined) : undefined
    return this.#writes.run(() => changeIfUnchanged(table, key, found, next), takeBack)
  }

  async #sweepAll(): Promise<number> {
    let removed = 0
    for (const table of Object.values(this.#tables)) {
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
    return removed
  }

  #live<E extends Entry>(entry: E | undefined): E | undefined {
    return entry !== undefined && entry.expiresAtMs > this.#settings.now() ? entry : undefined
  }

  async #attempt<T>(operation: () => T | Promise<T>): Promise<T> {
    try {
      if (this.#closing !== undefined) throw new Error('the store is closed')
      return await operation()
    } catch (error) {
      throw toUnavailable(error)
    }
  }
}

function toChecked(value: string, expiresAtMs: number): Entry {
  checkValue(value)
  checkExpiry(expiresAtMs)
  return { value, expiresAtMs }
}

function toGrowth(
  key: Buffer,
  found: StoredEntry | undefined,
  change: Change,
  replacesCurrent: boolean,
): Growth {
  const before = found === undefined ? 0 : estimateBytes(key.length, found.size)
  const after = change === 'remove' ? 0 : estimateBytes(key.length, Buffer.byteLength(change.value))
  const entries = (change === 'remove' ? 0 : 1) - (found === undefined ? 0 : 1)
  return { entries, bytes: after - before, replacesCurrent }
}
