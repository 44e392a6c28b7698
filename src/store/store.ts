import type { Log } from '../domain/log.ts'

type SpaceOptions = {
  /** Whether its keys can be listed in their order. */
  isOrdered?: true
  /** Whether a record that is lost from it could be paid for: it is closed while the store is not whole. */
  needsWholeStore?: true
}

/** The kinds of records: the same key in two spaces is two entries. A new kind is one line here. */
const SPACES = {
  idempotency: { needsWholeStore: true },
  leases: { needsWholeStore: true, isOrdered: true },
  owners: {},
} as const satisfies Record<string, SpaceOptions>

export type Space = keyof typeof SPACES
export type OrderedSpace = {
  [Name in Space]: (typeof SPACES)[Name] extends { isOrdered: true } ? Name : never
}[Space]

export const SPACE_NAMES = Object.keys(SPACES) as readonly Space[]

/** One of something for each space. */
export function forEachSpace<T>(make: (space: Space) => T): Record<Space, T> {
  return Object.fromEntries(SPACE_NAMES.map((space) => [space, make(space)])) as Record<Space, T>
}

export function optionsOf(space: Space): SpaceOptions {
  return SPACES[space]
}

/** What the store holds: entries of each space, expired ones that are not swept yet included, and bytes of all. */
export type StoreUsage = { entries: Readonly<Record<Space, number>>; bytes: number; maxBytes: number }

export type KeyAndValue = { key: string; value: string }

/**
 * What must survive the process. One per gateway; several gateways may share it.
 *
 * Keys have 1 to `MAX_KEY_BYTES` bytes as UTF-8, values at most `MAX_VALUE_BYTES`, both are well-formed
 * strings, lives whole milliseconds from 1 to `MAX_LIFE_MS`: anything else is a fault of the programmer and
 * rejects with TypeError. Every other failure is a GatewayError `store_unavailable` whose cause is for the log;
 * a record that can be read and is damaged is one of them. A write that failed may have landed all the same,
 * as with any store that is not in this process; a claim that lands too late is taken back.
 *
 * `livesMs` is what remains of an entry's life, so that the clock of the caller does not matter. An expired
 * entry is never seen again, whether it was swept already or not.
 */
export interface Store {
  /**
   * Claims a key that has no value: atomic over threads and processes, durable before it resolves. Undefined
   * when this call claimed it, else the current value (durable as well). A claim that finds exactly what it
   * was about to write is its own, so that it may be repeated when its answer was lost: where two callers
   * could write the same value, it carries a random id.
   */
  claim(space: Space, key: string, value: string, livesMs: number): Promise<string | undefined>
  /** Sets the value, with or without one before it; durable before it resolves. */
  put(space: Space, key: string, value: string, livesMs: number): Promise<void>
  /** Compare and set, atomic and durable: true when `expected` was the current value and is replaced. */
  replace(space: Space, key: string, expected: string, value: string, livesMs: number): Promise<boolean>
  /** The current value; undefined when the key has none. */
  get(space: Space, key: string): Promise<string | undefined>
  /** The values in the order of the keys, all of one moment. */
  getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]>
  /**
   * At most `limit` (1 to `MAX_LISTED`) entries in the order of their keys' bytes, from `from` (itself included)
   * or the first. With keys that begin with a moment it is a queue of what is due.
   */
  list(space: OrderedSpace, range: { from?: string; limit: number }): Promise<KeyAndValue[]>
  /** True when a value (`expected`, if given) was removed; durable before it resolves. */
  delete(space: Space, key: string, expected?: string): Promise<boolean>
  /** How full the store is. */
  usage(): Promise<StoreUsage>
  /** Removes expired entries in small steps that never block the loop; gives their number. Also runs by itself. */
  sweep(): Promise<number>
  /** Waits for the writes under way and releases everything; every later call is `store_unavailable`. */
  close(): Promise<void>
}

export type StoreOptions = {
  /** The time, in milliseconds since 1970. */
  now: () => number
  log?: Pick<Log, 'warn' | 'error'>
  /**
   * Most bytes of all spaces together, in memory or in pages of the file. Default 4 GiB. One eighth
   * more is reserved for larger values of existing entries, so that a run that was accepted can be recorded
   * to its end. The file may be up to twice as long: it keeps freed pages for later.
   */
  maxBytes?: number
  /** Milliseconds between two sweeps. Default one minute. */
  sweepIntervalMs?: number
  /** How long a write or the opening of a file may take, in milliseconds. Default 10 s. */
  timeoutMs?: number
  /**
   * Takes a file that is damaged, missing or another one than before as the store from now on: what can't be
   * read of it is lost. Default false: spaces that need the whole store are `store_unavailable` then.
   */
  accept?: boolean
}
