import { createHash } from 'node:crypto'
import { joinParts, partsInOrder, type Upload } from './uploads.ts'

/** An upload as tests see it; `sha256` is empty while parts are missing or where bytes are not kept. */
export type UploadFacts = {
  readonly uploadID: string
  readonly identity: string
  readonly bytes: Buffer | undefined
  /** Of the whole file, in hex. */
  readonly sha256: string
  /** The bytes that were announced. */
  readonly size: number
  /** The numbers of the parts that have arrived, in order. */
  readonly parts: number[]
  /** By the part's number, in hex. */
  readonly partSha256: Readonly<Record<number, string>>
  readonly finalised: boolean
}

export function toUploadFacts(upload: Upload): UploadFacts {
  const bytes = joinParts(upload)
  const parts = partsInOrder(upload)
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
