/*
 * Where the bytes of a part are while it is sent. They are copied into slabs that are used over and over:
 * copying costs a tenth of a second a GiB, collecting as much garbage more than half a second.
 */

const SLAB_BYTES = 256 * 1024

/** Slabs kept for the next part when nobody needs them: as much as one upload has on its way. */
const MOST_FREE_SLABS = 128

/** Slabs that nobody uses at the moment. */
export class SlabPool {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  give(slabs: readonly Buffer[]): void {
    for (const slab of slabs) {
      if (slab.length === SLAB_BYTES && this.#free.length < MOST_FREE_SLABS) this.#free.push(slab)
    }
  }
}

/** The bytes of one part, in order, in as few chunks as can be. */
export class PartBuffer {
  readonly #pool: SlabPool
  readonly #sizeBytes: number
  #slabs: Buffer[] = []
  #used = 0
  bytes = 0

  /** `sizeBytes` is the most that will be pushed. */
  constructor(pool: SlabPool, sizeBytes: number) {
    this.#pool = pool
    this.#sizeBytes = sizeBytes
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      let slab = this.#slabs.at(-1)
      if (slab === undefined || this.#used === slab.length) {
        slab = this.#newSlab()
        this.#slabs.push(slab)
        this.#used = 0
      }
      const copied = chunk.copy(slab, this.#used, at)
      this.#used += copied
      this.bytes += copied
      at += copied
    }
  }

  get chunks(): Buffer[] {
    const last = this.#slabs.at(-1)
    return last === undefined ? [] : [...this.#slabs.slice(0, -1), last.subarray(0, this.#used)]
  }

  /**
   * Lets others use the memory. Only when every byte was handed to the connection; and the last slab not even
   * then, because the connection may still hold what was written last.
   */
  recycle(): void {
    this.#pool.give(this.#slabs.slice(0, -1))
    this.#slabs = []
  }

  /** A small part takes no more than it needs. */
  #newSlab(): Buffer {
    const rest = this.#sizeBytes - this.bytes
    return rest >= SLAB_BYTES ? this.#pool.take() : Buffer.allocUnsafeSlow(Math.max(rest, 1))
  }
}
