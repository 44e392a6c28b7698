const MINUTE_MS = 60_000

/** A value until `expiresAtMs` (milliseconds since 1970, itself already expired). `bytes`: what it takes. */
export type ShelfEntry = { value: string; expiresAtMs: number; bytes: number }

type OrderedKey = { bytes: Buffer; key: string }

/** One space in memory: its entries, which of them expire in which minute, and their order if that is asked for. */
export class MemoryShelf {
  readonly #entries = new Map<string, ShelfEntry>()
  readonly #keysByMinute = new Map<number, Set<string>>()
  /** By their bytes, which is not the order of JavaScript's strings. */
  readonly #order: OrderedKey[] | undefined

  constructor(isOrdered: boolean) {
    this.#order = isOrdered ? [] : undefined
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): ShelfEntry | undefined {
    return this.#entries.get(key)
  }

  set(key: string, entry: ShelfEntry): void {
    if (this.#entries.has(key)) this.delete(key)
    this.#entries.set(key, entry)
    const minute = Math.floor(entry.expiresAtMs / MINUTE_MS)
    const keys = this.#keysByMinute.get(minute) ?? new Set()
    this.#keysByMinute.set(minute, keys.add(key))
    if (this.#order === undefined) return
    const bytes = Buffer.from(key)
    this.#order.splice(findPlace(this.#order, bytes), 0, { bytes, key })
  }

  delete(key: string): void {
    const found = this.#entries.get(key)
    if (found === undefined) return
    this.#entries.delete(key)
    const minute = Math.floor(found.expiresAtMs / MINUTE_MS)
    const keys = this.#keysByMinute.get(minute)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysByMinute.delete(minute)
    this.#order?.splice(findPlace(this.#order, Buffer.from(key)), 1)
  }

  /** The entries in the order of their keys' bytes, from `from` on; empty unless the shelf is ordered. */
  *inOrder(from: Buffer | undefined): Generator<[string, ShelfEntry]> {
    const order = this.#order ?? []
    for (let at = from === undefined ? 0 : findPlace(order, from); at < order.length; at += 1) {
      const { key } = order[at] as OrderedKey
      yield [key, this.#entries.get(key) as ShelfEntry]
    }
  }

  // Entries of a Map and a Set may be deleted during iteration.
  *expiredKeys(nowMs: number): Generator<string> {
    for (const [minute, keys] of this.#keysByMinute) {
      if (minute * MINUTE_MS > nowMs) continue
      for (const key of keys) {
        const found = this.#entries.get(key)
        if (found !== undefined && found.expiresAtMs <= nowMs) yield key
      }
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#keysByMinute.clear()
    if (this.#order !== undefined) this.#order.length = 0
  }
}

/** The place of the first key that is not before `bytes`. */
function findPlace(order: readonly OrderedKey[], bytes: Buffer): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Buffer.compare((order[middle] as OrderedKey).bytes, bytes) < 0) low = middle + 1
    else high = middle
  }
  return low
}
