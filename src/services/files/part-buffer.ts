import type { Reservation } from './reservation.ts'

/*
 * Where the bytes of a part are while it is sent. They are copied into slabs that are used again and again:
 * copying costs a tenth of a second a GiB, collecting as much garbage more than half a second.
 */

const SLAB_BYTES = 256 * 1024

/**
 * The end of a part has memory of its own. A connection that took a part may still hold what was written
 * last: less than this, because it says when it holds more (16 KiB). So this is left to the garbage collector, and
 * everything before it can be used again.
 */
const TAIL_BYTES = 64 * 1024

/** Unused slabs kept for the next part: as many as one upload has in flight. */
const MOST_FREE_SLABS = 128

/** Slabs that are not in use. */
export class SlabPool {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  give(slabs: readonly Buffer[]): void {
    this.#free.push(...slabs.slice(0, MOST_FREE_SLABS - this.#free.length))
  }
}

/** The bytes of one part, in order, in as few chunks as can be. */
export class PartBuffer {
  readonly #pool: SlabPool
  readonly #sizeBytes: number
  readonly #memory: Pick<Reservation, 'growTo'> | undefined
  #slabs: Buffer[] = []
  readonly #chunks: Buffer[] = []
  /** Bytes of the last chunk that are filled. */
  #filled = 0
  bytes = 0

  /** `sizeBytes` is the most that will be pushed; `memory` is what it is charged to. */
  constructor(pool: SlabPool, sizeBytes: number, memory?: Pick<Reservation, 'growTo'>) {
    this.#pool = pool
    this.#sizeBytes = sizeBytes
    this.#memory = memory
  }

  /** To be called, and waited for, before so many bytes are pushed. */
  makeRoom(bytes: number): Promise<void> | undefined {
    return this.#memory?.growTo(this.bytes + bytes)
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      let chunk = this.#chunks.at(-1)
      if (chunk === undefined || this.#filled === chunk.length) {
        chunk = this.#newChunk()
        this.#chunks.push(chunk)
        this.#filled = 0
      }
      const copied = bytes.copy(chunk, this.#filled, at)
      this.#filled += copied
      this.bytes += copied
      at += copied
    }
  }

  get chunks(): Buffer[] {
    const last = this.#chunks.at(-1)
    return last === undefined ? [] : [...this.#chunks.slice(0, -1), last.subarray(0, this.#filled)]
  }

  /** Lets others use the memory: for when every byte was copied on, or handed to a connection. */
  recycle(): void {
    this.#pool.give(this.#slabs)
    this.#slabs = []
  }

  /** Slabs up to the tail, then what is left; so a small part takes no more than it needs. */
  #newChunk(): Buffer {
    const rest = this.#sizeBytes - this.bytes
    if (rest <= 2 * TAIL_BYTES) return Buffer.allocUnsafeSlow(Math.max(rest, 1))
    const slab = this.#pool.take()
    this.#slabs.push(slab)
    return slab.subarray(0, Math.min(SLAB_BYTES, rest - TAIL_BYTES))
  }
}
