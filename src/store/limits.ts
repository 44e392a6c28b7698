import type { Log } from '../domain/log.ts'
import { GatewayError } from '../errors.ts'
import type { StoreOptions } from './store.ts'

/** Longest key, in bytes of UTF-8: with eight more for the expiry it stays well below LMDB's 1978. */
export const MAX_KEY_BYTES = 1024
/** Longest value, in bytes of UTF-8. */
export const MAX_VALUE_BYTES = 4 * 1024 * 1024
/** Longest life of an entry, in milliseconds: ten years. */
export const MAX_LIFE_MS = 10 * 365 * 24 * 60 * 60 * 1000
/** Most entries that one `list` gives. */
export const MAX_LISTED = 1000

export type StoreSettings = Required<Omit<StoreOptions, 'log'>> & { log: StoreOptions['log'] }

/** The options with their defaults. */
export function withDefaults(options: StoreOptions): StoreSettings {
  return {
    now: options.now,
    log: options.log,
    maxBytes: options.maxBytes ?? 4 * 1024 ** 3,
    sweepIntervalMs: options.sweepIntervalMs ?? 60_000,
    timeoutMs: options.timeoutMs ?? 10_000,
    accept: options.accept ?? false,
  }
}

/** The key as bytes of UTF-8; TypeError unless it is one. */
export function toKeyBytes(key: string): Buffer {
  checkWellFormed(key, 'A key')
  const bytes = Buffer.from(key)
  if (bytes.length === 0) throw new TypeError('A key of the store must not be empty')
  if (bytes.length > MAX_KEY_BYTES) throw new TypeError('A key of the store is longer than 1024 bytes')
  return bytes
}

/** TypeError unless the value can be stored as it is. */
export function checkValue(value: string): void {
  checkWellFormed(value, 'A value')
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
    throw new TypeError('A value of the store is longer than 4 MiB')
  }
}

/** TypeError unless an entry can live that long. */
export function checkLife(livesMs: number): void {
  if (!Number.isSafeInteger(livesMs) || livesMs < 1 || livesMs > MAX_LIFE_MS) {
    throw new TypeError('An entry of the store lives a whole number of milliseconds, from 1 to ten years')
  }
}

/** Where a list begins, as bytes; TypeError unless so much may be listed. */
export function toListStart({ from, limit }: { from?: string; limit: number }): Buffer | undefined {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LISTED) {
    throw new TypeError('A list of the store has 1 to 1000 entries')
  }
  return from === undefined ? undefined : toKeyBytes(from)
}

// Two different strings with a lone surrogate become the same bytes, and two callers would share a key.
function checkWellFormed(text: string, what: string): void {
  const wellFormed = (text as string & { isWellFormed(): boolean }).isWellFormed()
  if (!wellFormed) throw new TypeError(`${what} of the store is not well-formed Unicode`)
}

/** What a write adds. `replacesCurrent`: it replaces an unexpired entry, and may use the reserve. */
export type Growth = { bytes: number; replacesCurrent: boolean }

/** Whether a write fits beside the bytes that are used already. */
export function hasRoom(usedBytes: number, growth: Growth, { maxBytes }: StoreSettings): boolean {
  if (growth.bytes <= 0) return true
  const reserve = growth.replacesCurrent ? maxBytes / 8 : 0
  return usedBytes + growth.bytes <= maxBytes + reserve
}

const WARNING_SHARE = 0.8

/** Warns when the store is 80 % full, once until it is below again. */
export class FillWarning {
  readonly #log: Pick<Log, 'warn'> | undefined
  readonly #maxBytes: number
  #isGiven = false

  constructor({ log, maxBytes }: StoreSettings) {
    this.#log = log
    this.#maxBytes = maxBytes
  }

  note(bytes: number): void {
    const isDue = bytes >= WARNING_SHARE * this.#maxBytes
    if (isDue && !this.#isGiven) {
      const figures = { storeBytes: bytes, maxBytes: this.#maxBytes }
      this.#log?.warn(figures, 'the store is 80 % full: when it is full, requests with a key are refused')
    }
    this.#isGiven = isDue
  }
}

/** The one failure that an operation has; the cause is for the log only. */
export function toUnavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError && cause.failure.code === 'store_unavailable') return cause
  return new GatewayError({ code: 'store_unavailable' }, { cause })
}
