import type { Log } from '../domain/log.ts'

/** The kinds of things kept, each apart from the others: the same key in two spaces is two entries. */
export const SPACES = ['idempotency', 'owners'] as const
export type Space = (typeof SPACES)[number]

/** What stands under a key until `expiresAtMs` (milliseconds since 1970; expired from that very one on). */
export type Entry = { value: string; expiresAtMs: number }

/**
 * What must survive the process: one per gateway, several gateways may have the same one.
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
   * Claims a key that nothing stands under: atomic over threads and processes, durable before it resolves.
   * undefined when this call claimed it, else the value that stands there (durable as well).
   */
  claim(space: Space, key: string, value: string, expiresAtMs: number): Promise<string | undefined>
  /** Sets, whatever stood there; durable before it resolves. */
  put(space: Space, key: string, value: string, expiresAtMs: number): Promise<void>
  /** Compare and set, atomic and durable: true when `expected` stood there and was replaced. */
  replace(space: Space, key: string, expected: string, value: string, expiresAtMs: number): Promise<boolean>
  get(space: Space, key: string): Promise<string | undefined>
  /** The values in the order of the keys, all of one moment. */
  getMany(space: Space, keys: readonly string[]): Promise<(string | undefined)[]>
  /** The first `limit` entries whose key begins with `prefix` (may be empty), by their keys' bytes. */
  list(space: Space, prefix: string, limit: number): Promise<{ key: string; value: string }[]>
  /** True when something stood there (`expected`, if given) and is gone; durable before it resolves. */
  delete(space: Space, key: string, expected?: string): Promise<boolean>
  /** Removes what has expired, in small steps that never hold up the loop; says how many. Also runs by itself. */
  sweep(): Promise<number>
  /** Resolves when a new entry could be made durable right now: for readiness. */
  probe(): Promise<void>
  /** Ends the writes under way and lets go of everything; every later call is `store_unavailable`. */
  close(): Promise<void>
}

export type StoreOptions = {
  /** The time, in milliseconds since 1970. */
  now: () => number
  log?: Pick<Log, 'warn'>
  /** Most entries in one space. Default 1,000,000. */
  maxEntries?: number
  /**
   * Most bytes of all spaces together, in memory or in pages of the file. Default 4 GiB. What stands may
   * still be replaced by something larger in the eighth above it, so that a run that was let in can be
   * written down to its end. The file may be up to twice as long: it keeps freed pages for later.
   */
  maxBytes?: number
  /** Time between two sweeps. Default one minute. */
  sweepIntervalMs?: number
  /** How long a write or the opening of a file may take. Default 10 s. */
  timeoutMs?: number
}
