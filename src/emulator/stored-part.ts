import { createHash, type Hash } from 'node:crypto'

/** A part that has arrived whole; `size` in bytes. `chunks` is undefined where bytes are not kept. */
export type StoredPart = {
  readonly size: number
  /** In hex; undefined where parts are not hashed. */
  readonly sha256: string | undefined
  readonly chunks: readonly Buffer[] | undefined
}

/** What is known of a part while its bytes come in. */
type PartIntake = {
  take(chunk: Buffer): void
  finish(): StoredPart
}

/** Hashes and keeps a part as its bytes come, each only if the options say so. */
export function createPartIntake(options: {
  readonly retainBytes: boolean
  readonly hashParts: boolean
}): PartIntake {
  const chunks: Buffer[] | undefined = options.retainBytes ? [] : undefined
  const hash: Hash | undefined = options.hashParts ? createHash('sha256') : undefined
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
