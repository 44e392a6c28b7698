import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import type { StoredPart } from './stored-part.ts'

/** How long a file lives. */
const LIFETIME_MS = 24 * 60 * 60 * 1000

/** An upload as it is kept. Times are epoch milliseconds, sizes bytes. */
export type Upload = {
  readonly uploadID: string
  readonly identity: string
  readonly fileName: string
  /** With its dot, or empty. */
  readonly extension: string
  readonly size: number
  readonly partSize: number
  readonly totalParts: number
  readonly createdAt: number
  readonly expiresAt: number
  readonly parts: Map<number, StoredPart>
  finalised: boolean
  /** The whole file, put together when it is first asked for. */
  bytes: Buffer | undefined
}

type NewUpload = Pick<Upload, 'identity' | 'fileName' | 'extension' | 'size'>

/** The uploads of one emulator. */
export type UploadStore = {
  create(upload: NewUpload): Upload
  /** Undefined when the upload is unknown or has expired. */
  find(uploadID: string): Upload | undefined
  all(): Upload[]
  putPart(upload: Upload, part: number, stored: StoredPart): void
  /** The bytes of a file; undefined while parts are missing, or if bytes are not kept. */
  bytesOf(upload: Upload): Buffer | undefined
  sign(path: string): string
  isSigned(path: string, signature: string | null): boolean
  /** Whether the bytes of parts are to be kept. */
  readonly retainBytes: boolean
  readonly hashParts: boolean
}

type UploadStoreOptions = {
  readonly partSize: number
  readonly retainBytes: boolean
  readonly hashParts: boolean
  /** How many bytes are kept over all uploads; beyond it, those of the oldest are dropped. */
  readonly maxStoredFileBytes: number
  readonly now: () => number
}

/** Keeps the newest uploads; expired ones go with the next that is created. */
export function createUploadStore(options: UploadStoreOptions): UploadStore {
  const { partSize, now } = options
  const uploads = new Map<string, Upload>()
  let keptBytes = 0

  function drop(upload: Upload): void {
    upload.bytes = undefined
    for (const [number, part] of upload.parts) {
      keptBytes -= keptSize(part)
      upload.parts.set(number, { ...part, chunks: undefined })
    }
  }

  function dropExpired(): void {
    for (const upload of uploads.values()) {
      if (upload.expiresAt > now()) return
      drop(upload)
      uploads.delete(upload.uploadID)
    }
  }

  function dropOldest(): void {
    for (const upload of uploads.values()) {
      if (keptBytes <= options.maxStoredFileBytes) return
      drop(upload)
    }
  }

  return {
    retainBytes: options.retainBytes,
    hashParts: options.hashParts,
    create(upload) {
      dropExpired()
      const created = toUpload(upload, partSize, now())
      uploads.set(created.uploadID, created)
      return created
    },
    find(uploadID) {
      const upload = uploads.get(uploadID)
      return upload !== undefined && upload.expiresAt > now() ? upload : undefined
    },
    all: () => [...uploads.values()],
    putPart(upload, number, stored) {
      keptBytes += keptSize(stored) - keptSize(upload.parts.get(number))
      upload.parts.set(number, stored)
      upload.bytes = undefined
      dropOldest()
    },
    bytesOf: joinParts,
    ...createSigner(),
  }
}

function toUpload(upload: NewUpload, partSize: number, createdAt: number): Upload {
  return {
    ...upload,
    uploadID: randomUUID(),
    partSize,
    totalParts: Math.max(1, Math.ceil(upload.size / partSize)),
    createdAt,
    expiresAt: createdAt + LIFETIME_MS,
    parts: new Map(),
    finalised: false,
    bytes: undefined,
  }
}

/** Signs paths with a secret of this process, as presigned URLs carry it. */
function createSigner(): Pick<UploadStore, 'sign' | 'isSigned'> {
  const secret = randomBytes(32)
  const sign = (path: string): string => createHmac('sha256', secret).update(path).digest('hex')
  return {
    sign,
    isSigned(path, signature) {
      const expected = Buffer.from(sign(path))
      const given = Buffer.from(signature ?? '')
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}

function keptSize(part: StoredPart | undefined): number {
  return part?.chunks === undefined ? 0 : part.size
}

/** How many bytes part `number` (from 1) of an upload has. */
export function partSizeOf(upload: Upload, number: number): number {
  return number < upload.totalParts
    ? upload.partSize
    : upload.size - (upload.totalParts - 1) * upload.partSize
}

/** The numbers of the parts that have not arrived, in order. */
export function missingParts(upload: Upload): number[] {
  const missing: number[] = []
  for (let number = 1; number <= upload.totalParts; number++) {
    if (!upload.parts.has(number)) missing.push(number)
  }
  return missing
}

/** Puts the file together once; its parts become views of it, so no byte is kept twice. */
export function joinParts(upload: Upload): Buffer | undefined {
  if (upload.bytes !== undefined) return upload.bytes
  const parts = partsInOrder(upload)
  const chunks = parts.map(([, part]) => part.chunks)
  if (missingParts(upload).length > 0 || chunks.includes(undefined)) return undefined
  const bytes = Buffer.concat(chunks.flatMap((list) => list ?? []))
  let at = 0
  for (const [number, part] of parts) {
    upload.parts.set(number, { ...part, chunks: [bytes.subarray(at, at + part.size)] })
    at += part.size
  }
  upload.bytes = bytes
  return bytes
}

/** The parts of an upload by their numbers. */
export function partsInOrder(upload: Upload): [number, StoredPart][] {
  return [...upload.parts].sort(([a], [b]) => a - b)
}
