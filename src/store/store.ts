import type { Log } from '../domain/log.ts'

/** The kinds of records: the same key in two spaces is two entries. */
export const SPACES = ['idempotency', 'owners'] as const
export type Space = (typeof SPACES)[number]

/** The value of a key until `expiresAtMs` (milliseconds since 1970, itself already expired). */
export type Entry = { value: string; expiresAtMs: number }

/**
 * What must survive the process. One per gateway; several gateways may share it.
 *
 * Keys have 1 to `MAX_KEY_BYTES` bytes as UTF-8, values at most `MAX_VALUE_BYTES`, both are well-formed
 * strings, expiries whole milliseconds: anything else is a fault of the programmer and rejects with
 * TypeError. Every other failure is a GatewayError `store_unavailable` whose cause is for the log. A write
 * that failed may have landed all the same, as with any store that is not in this process; a claim that
 * lands too late is taken back.
 *
 * An expired entry is never seen again, whether it was swept already or not.
 */
export interface Store {
  /**
   * Claims a key that has no value: atomic over threads and processes, durable before it resolves. Undefined
   * when this call claimed it, else the current value (durable as well).
   */
  claim(space: Space, key: string, value: string, expiresAtMs: number): Promise<string | undefined>
  /** Sets the value, with or without one before it; durable before it resolves. */
  put(space: Space, key: string, value: string, expiresAtMs: number): Promise<void>
  /** Compare and set, atomic and durable: true when `expected` was the current value and is replaced. */
  replace(space: Space, key: string, expected: string, value: string, expiresAtMs: number): Promise<boolean>
  /** The current value; undefined when the key has none. */
  get(space: Space, key: string): Promise<string | undefined>
  /** The values in the order of the keys, all of one moment. */
  getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]>
  /** True when a value (`expected`, if given) was removed; durable before it resolves. */
  delete(space: Space, key: string, expected?: string): Promise<boolean>
  /** Removes expired entries in small steps that never block the loop; gives their number. Also runs by itself. */
  sweep(): Promise<number>
  /** Waits for the writes under way and releases everything; every later call is `store_unavailable`. */
  close(): Promise<void>
}

export type StoreOptions = {
  /** The time, in milliseconds since 1970. */
  now: () => number
  log?: Pick<Log, 'warn'>
  /** Most entries in one space. Default 1,000,000. */
  maxEntries?: number
  /**
   * Most bytes of all spaces together, in memory or in pages of the file. Default 4 GiB. One eighth
   * more is reserved for larger values of existing entries, so that a run that was accepted can be recorded
   * to its end. The file may be up to twice as long: it keeps freed pages for later.
   */
  maxBytes?: number
  /** The operator takes the store as it is, whatever its number of entries should be. */
  accept?: boolean
  /** Milliseconds between two sweeps. Default one minute. */
  sweepIntervalMs?: number
  /** How long a write or the opening of a file may take, in milliseconds. Default 10 s. */
  timeoutMs?: number
}
