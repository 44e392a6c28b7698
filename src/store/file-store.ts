import type { Database, RootDatabase } from 'lmdb'
import { checkFile, prepareDirectory, syncDirectory, toOpenError } from './file-check.ts'
import {
  changeIfUnchanged,
  decodeEntry,
  INDEX_OPTIONS,
  newVersion,
  openRoot,
  openTable,
  readDue,
  readStanding,
  type Standing,
  type Table,
  toIndexKey,
} from './file-table.ts'
import { estimateBytes, FileUsage } from './file-usage.ts'
import {
  checkExpiry,
  checkLimit,
  checkValue,
  type Growth,
  type StoreSettings,
  toKeyBytes,
  toPrefixBytes,
  toUnavailable,
  withDefaults,
} from './limits.ts'
import { type Entry, SPACES, type Space, type Store, type StoreOptions } from './store.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'
import { createWriteQueue, type WriteQueue } from './write-queue.ts'

/** Entries removed in one transaction of a sweep: about a millisecond of the loop. */
const SWEEP_STEP = 100
const PROBE_KEY = Buffer.from('probe')
const NEW_ENTRY: Growth = { entries: 1, bytes: 1, extendsStanding: false }

type Tables = Readonly<Record<Space, Table>>
type Parts = { root: RootDatabase<Buffer, Buffer>; tables: Tables; probes: Database<Buffer, Buffer> }

/** What to do about what stands there (undefined: nothing that has not expired), and what to answer then. */
type Decision<T> = { answer: T; change?: Change }
type Change = 'remove' | Entry

/** Opens the store in a directory, which is made if there is none; StoreOpenError if that can't be done. */
export async function openFileStore(directory: string, options: StoreOptions): Promise<Store> {
  const settings = withDefaults(options)
  await prepareDirectory(directory)
  await checkFile(directory, settings)
  try {
    const root = openRoot(directory, settings)
    const tables = { idempotency: openTable(root, 'idempotency'), owners: openTable(root, 'owners') }
    const probes = root.openDB<Buffer, Buffer>('probes', INDEX_OPTIONS)
    // The first read takes a place among the readers, which fails for a second process of the same id.
    probes.get(PROBE_KEY)
    await syncDirectory(directory)
    return new FileStore({ root, tables, probes }, settings)
  } catch (error) {
    throw toOpenError(error)
  }
}

class FileStore implements Store {
  readonly #parts: Parts
  readonly #tables: Tables
  readonly #settings: StoreSettings
  readonly #usage: FileUsage
  readonly #writes: WriteQueue
  readonly #sweeper: Sweeper
  #closing: Promise<void> | undefined

  constructor(parts: Parts, settings: StoreSettings) {
    this.#parts = parts
    this.#tables = parts.tables
    this.#settings = settings
    this.#usage = new FileUsage(parts.tables, settings)
    this.#writes = createWriteQueue(settings.timeoutMs)
    this.#sweeper = createSweeper(() => this.#sweepAll(), settings)
  }

  async claim(space: Space, key: string, value: string, expiresAtMs: number): Promise<string | undefined> {
    const change = toChecked(value, expiresAtMs)
    const decide = (standing: string | undefined) =>
      standing === undefined ? { answer: undefined, change } : { answer: standing }
    return this.#update(space, toKeyBytes(key), decide, true)
  }

  async put(space: Space, key: string, value: string, expiresAtMs: number): Promise<void> {
    const change = toChecked(value, expiresAtMs)
    return this.#update(space, toKeyBytes(key), () => ({ answer: undefined, change }))
  }

  async replace(space: Space, key: string, expected: string, value: string, expiresAtMs: number) {
    const change = toChecked(value, expiresAtMs)
    const decide = (standing: string | undefined) =>
      standing === expected ? { answer: true, change } : { answer: false }
    return this.#update(space, toKeyBytes(key), decide)
  }

  async delete(space: Space, key: string, expected?: string): Promise<boolean> {
    const decide = (standing: string | undefined): Decision<boolean> =>
      standing === undefined || (expected !== undefined && standing !== expected)
        ? { answer: false }
        : { answer: true, change: 'remove' }
    return this.#update(space, toKeyBytes(key), decide)
  }

  async get(space: Space, key: string): Promise<string | undefined> {
    const keyBytes = toKeyBytes(key)
    return this.#attempt(() => this.#live(readStanding(this.#tables[space], keyBytes))?.value)
  }

  async getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]> {
    const table = this.#tables[space]
    const allBytes = keys.map(toKeyBytes)
    return this.#attempt(() => allBytes.map((keyBytes) => this.#live(readStanding(table, keyBytes))?.value))
  }

  async list(space: Space, prefix: string, limit: number): Promise<{ key: string; value: string }[]> {
    const start = toPrefixBytes(prefix)
    checkLimit(limit)
    return this.#attempt(() => {
      const found: { key: string; value: string }[] = []
      for (const { key, value } of this.#tables[space].entries.getRange(start.length > 0 ? { start } : {})) {
        if (!key.subarray(0, start.length).equals(start)) break
        const live = this.#live(decodeEntry(value))
        if (live !== undefined) found.push({ key: key.toString(), value: live.value })
        if (found.length === limit) break
      }
      return found
    })
  }

  async sweep(): Promise<number> {
    return this.#attempt(() => this.#sweeper.sweep())
  }

  async probe(): Promise<void> {
    return this.#attempt(async () => {
      const isFull = () => SPACES.some((space) => !this.#usage.hasRoom(space, NEW_ENTRY))
      if (isFull()) await this.#sweeper.sweep()
      if (isFull()) throw new Error('the store is full')
      await this.#writes.run(() => this.#parts.probes.put(PROBE_KEY, toIndexKey(this.#settings.now())))
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#sweeper.stop()
    const isIdle = await this.#writes.close()
    // lmdb would wait for a write that hangs, and hold up this thread while it does.
    if (isIdle) await this.#parts.root.close()
    else this.#settings.log?.warn({}, 'the store was left open: a write to it hangs')
  }

  /**
   * Reads, decides, and writes on the condition that what was read still stands; starts over if it does
   * not, which means that somebody else's write went through. A claim that lands after its caller was told
   * that it failed is taken back.
   */
  async #update<T>(
    space: Space,
    key: Buffer,
    decide: (standing: string | undefined) => Decision<T>,
    isClaim = false,
  ): Promise<T> {
    return this.#attempt(async () => {
      for (let isSwept = false; ; ) {
        const held = readStanding(this.#tables[space], key)
        const standing = this.#live(held)?.value
        const { answer, change } = decide(standing)
        if (change === undefined) return answer
        const growth = toGrowth(key, held, change, standing !== undefined)
        if (this.#usage.hasRoom(space, growth)) {
          const end = this.#usage.begin(space, growth)
          if (await this.#write(space, key, held, change, isClaim).finally(end)) return answer
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
    held: Standing | undefined,
    change: Change,
    isClaim: boolean,
  ): Promise<boolean> {
    const table = this.#tables[space]
    const next = change === 'remove' ? undefined : { ...change, version: newVersion() }
    const takeBack = isClaim ? () => changeIfUnchanged(table, key, next, undefined) : undefined
    return this.#writes.run(() => changeIfUnchanged(table, key, held, next), takeBack)
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

function toGrowth(key: Buffer, held: Standing | undefined, change: Change, extendsStanding: boolean): Growth {
  const before = held === undefined ? 0 : estimateBytes(key.length, held.size)
  const after = change === 'remove' ? 0 : estimateBytes(key.length, Buffer.byteLength(change.value))
  const entries = (change === 'remove' ? 0 : 1) - (held === undefined ? 0 : 1)
  return { entries, bytes: after - before, extendsStanding }
}
