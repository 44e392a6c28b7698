import { crc32 } from 'node:zlib'

/** A value until `expiresAtMs` (milliseconds since 1970, itself already expired). */
export type Entry = { value: string; expiresAtMs: number }

const CHECKSUM_BYTES = 4
const EXPIRY_BYTES = 8
const HEAD_BYTES = CHECKSUM_BYTES + EXPIRY_BYTES

/** An entry can be read and is not what was written. */
export class DamagedEntryError extends Error {
  override readonly name = 'DamagedEntryError'

  constructor() {
    super('an entry of the store is damaged')
  }
}

/**
 * The bytes of an entry: a checksum, the expiry, the value. The checksum covers the key and the version too,
 * so that an entry which lies under another key, or was changed in place, is known. file-walk.ts reads the same.
 */
export function encodeEntry(
  key: Buffer,
  { value, expiresAtMs, version }: Entry & { version: number },
): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + Buffer.byteLength(value))
  bytes.writeBigUInt64BE(BigInt(expiresAtMs), CHECKSUM_BYTES)
  bytes.write(value, HEAD_BYTES)
  bytes.writeUInt32BE(toChecksum(key, version, bytes))
  return bytes
}

/** Throws `DamagedEntryError`. */
export function decodeEntry(key: Buffer, version: number, bytes: Buffer): Entry {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32BE() !== toChecksum(key, version, bytes)) {
    throw new DamagedEntryError()
  }
  return {
    expiresAtMs: Number(bytes.readBigUInt64BE(CHECKSUM_BYTES)),
    value: bytes.toString('utf8', HEAD_BYTES),
  }
}

function toChecksum(key: Buffer, version: number, bytes: Buffer): number {
  return crc32(bytes.subarray(CHECKSUM_BYTES), crc32(encodeVersion(version), crc32(key)))
}

export function encodeVersion(version: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(version)
  return bytes
}

/** The key of an entry in the order of expiry; without a key, it sorts before all that expire at that moment. */
export function toIndexKey(expiresAtMs: number, key?: Buffer): Buffer {
  const bytes = Buffer.alloc(EXPIRY_BYTES + (key?.length ?? 0))
  bytes.writeBigUInt64BE(BigInt(expiresAtMs))
  key?.copy(bytes, EXPIRY_BYTES)
  return bytes
}

export function fromIndexKey(bytes: Buffer): { expiresAtMs: number; key: Buffer } {
  return { expiresAtMs: Number(bytes.readBigUInt64BE()), key: Buffer.from(bytes.subarray(EXPIRY_BYTES)) }
}
