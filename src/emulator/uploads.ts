import { createHash, createHmac, type Hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'

/** How long a file lives. */
const LIFETIME_MS = 24 * 60 * 60 * 1000

/** A part that has arrived whole. `chunks` is undefined where bytes are not kept. */
export type StoredPart = {
  readonly size: number
  /** In hex; undefined where parts are not hashed. */
  readonly sha256: string | undefined
  readonly chunks: readonly Buffer[] | undefined
}

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

export type NewUpload = Pick<Upload, 'identity' | 'fileName' | 'extension' | 'size'>

/** An upload as tests see it; `sha256` is empty while parts are missing or where bytes are not kept. */
export type UploadFacts = {
  readonly uploadID: string
  readonly identity: string
  readonly bytes: Buffer | undefined
  readonly sha256: string
  readonly size: number
  /** The numbers of the parts that are there, in order. */
  readonly parts: number[]
  readonly partSha256: Readonly<Record<number, string>>
  readonly finalised: boolean
}

export type UploadStore = {
  create(upload: NewUpload): Upload
  /** Undefined for unknown and for expired ones. */
  find(uploadID: string): Upload | undefined
  all(): Upload[]
  putPart(upload: Upload, part: number, stored: StoredPart): void
  /** The bytes of a file whose parts are all there; undefined if they are not or were not kept. */
  bytesOf(upload: Upload): Buffer | undefined
  sign(path: string): string
  isSigned(path: string, signature: string | null): boolean
  /** Whether the bytes of parts are to be kept. */
  readonly retainBytes: boolean
  readonly hashParts: boolean
}

export type UploadStoreOptions = {
  readonly partSize: number
  readonly retainBytes: boolean
  readonly hashParts: boolean
  /** How many bytes are kept over all uploads; beyond, those of the oldest are dropped. */
  readonly maxStoredFileBytes: number
  readonly now: () => number
}

export function createUploadStore(options: UploadStoreOptions): UploadStore {
  const { partSize, now } = options
  const uploads = new Map<string, Upload>()
  const secret = randomBytes(32)
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

  function sign(path: string): string {
    return createHmac('sha256', secret).update(path).digest('hex')
  }

  return {
    retainBytes: options.retainBytes,
    hashParts: options.hashParts,
    create(upload) {
      dropExpired()
      const createdAt = now()
      const created: Upload = {
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

/** Part `number` of an upload is so many bytes. */
export function partSizeOf(upload: Upload, number: number): number {
  return number < upload.totalParts
    ? upload.partSize
    : upload.size - (upload.totalParts - 1) * upload.partSize
}

export function missingParts(upload: Upload): number[] {
  const missing: number[] = []
  for (let number = 1; number <= upload.totalParts; number++) {
    if (!upload.parts.has(number)) missing.push(number)
  }
  return missing
}

/** Puts the file together once; its parts become windows on it, so nothing is held twice. */
function joinParts(upload: Upload): Buffer | undefined {
  if (upload.bytes !== undefined) return upload.bytes
  const parts = inOrder(upload)
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

function inOrder(upload: Upload): [number, StoredPart][] {
  return [...upload.parts].sort(([a], [b]) => a - b)
}

export function toUploadFacts(upload: Upload): UploadFacts {
  const bytes = joinParts(upload)
  const parts = inOrder(upload)
  const hashes = parts.flatMap(([number, { sha256 }]) => (sha256 === undefined ? [] : [[number, sha256]]))
  return {
    uploadID: upload.uploadID,
    identity: upload.identity,
    bytes,
    sha256: bytes === undefined ? '' : createHash('sha256').update(bytes).digest('hex'),
    size: upload.size,
    parts: parts.map(([number]) => number),
    partSha256: Object.fromEntries(hashes),
    finalised: upload.finalised,
  }
}

/** What is learnt of a part while its bytes come in. */
export type PartIntake = {
  take(chunk: Buffer): void
  finish(): StoredPart
}

/** Hashes and keeps a part as its bytes come; neither, if the store is set so. */
export function createPartIntake(store: UploadStore): PartIntake {
  const chunks: Buffer[] | undefined = store.retainBytes ? [] : undefined
  const hash: Hash | undefined = store.hashParts ? createHash('sha256') : undefined
  let size = 0
  return {
    take(chunk) {
      size += chunk.length
      hash?.update(chunk)
      chunks?.push(chunk)
    },
    finish: () => ({ size, sha256: hash?.digest('hex'), chunks }),
  }
}
