import type { Log } from '../domain/log.ts'
import { GatewayError } from '../errors.ts'
import type { StoreOptions } from './store.ts'

/** Longest key, in bytes of UTF-8: with eight more for the expiry it stays well below LMDB's 1978. */
export const MAX_KEY_BYTES = 1024
/** Longest value, in bytes of UTF-8. */
export const MAX_VALUE_BYTES = 4 * 1024 * 1024

export type StoreSettings = Required<Omit<StoreOptions, 'log' | 'accept'>> & {
  log: Pick<Log, 'warn'> | undefined
}

/** The options with their defaults. */
export function withDefaults(options: StoreOptions): StoreSettings {
  return {
    now: options.now,
    log: options.log,
    maxEntries: options.maxEntries ?? 1_000_000,
    maxBytes: options.maxBytes ?? 4 * 1024 ** 3,
    sweepIntervalMs: options.sweepIntervalMs ?? 60_000,
    timeoutMs: options.timeoutMs ?? 10_000,
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

/** TypeError unless it is a moment that can be stored. */
export function checkExpiry(expiresAtMs: number): void {
  if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs < 0) {
    throw new TypeError('An expiry in the store is a whole number of milliseconds since 1970')
  }
}

// Two different strings with a lone surrogate become the same bytes, and two callers would share a key.
function checkWellFormed(text: string, what: string): void {
  const wellFormed = (text as string & { isWellFormed(): boolean }).isWellFormed()
  if (!wellFormed) throw new TypeError(`${what} of the store is not well-formed Unicode`)
}

/** How full a space is: its entries, and the bytes of all spaces. */
type Usage = { entries: number; bytes: number }

/** What a write adds. `replacesCurrent`: it replaces an unexpired entry, and may use the reserve. */
export type Growth = Usage & { replacesCurrent: boolean }

/** Whether a write fits into the limits of the settings. */
export function hasRoom(usage: Usage, growth: Growth, settings: StoreSettings): boolean {
  if (growth.bytes <= 0 && growth.entries <= 0) return true
  const reserve = growth.replacesCurrent ? settings.maxBytes / 8 : 0
  return (
    usage.entries + growth.entries <= settings.maxEntries &&
    usage.bytes + growth.bytes <= settings.maxBytes + reserve
  )
}

/** The one failure that an operation has; the cause is for the log only. */
export function toUnavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError && cause.failure.code === 'store_unavailable') return cause
  return new GatewayError({ code: 'store_unavailable' }, { cause })
}
