/*
 * Every chunk that is kept as a Buffer of its own costs some 350 bytes beside its content, and a slice keeps the whole
 * of what it was cut from. So what is small is copied together.
 */

/** Chunks below this are copied. */
const SMALL_BYTES = 4 * 1024

const MIN_SLAB_BYTES = 1024
const MAX_SLAB_BYTES = 64 * 1024

const EMPTY = Buffer.alloc(0)

/** Whether copying a chunk costs less than keeping it: it is short, or less than half of the memory it lies in. */
export function isSmallChunk(chunk: Buffer): boolean {
  return chunk.length < SMALL_BYTES || 2 * chunk.length < chunk.buffer.byteLength
}

/**
 * Bytes that are collected chunk by chunk, in order. Whatever the chunks were, it holds at most twice the bytes that
 * are in it and 1 KiB, because a slab is never larger than what came before it.
 */
export class ByteCollector {
  #pieces: Buffer[] = []
  /** The last piece while it still has room; its first `#filled` bytes from `#from` on are not among the pieces yet. */
  #slab: Buffer = EMPTY
  #from = 0
  #filled = 0
  #bytes = 0

  /** Bytes in it at the moment. */
  get bytes(): number {
    return this.#bytes
  }

  append(chunk: Buffer): void {
    if (isSmallChunk(chunk)) this.#copy(chunk)
    else {
      this.#closePiece()
      this.#pieces.push(chunk)
    }
    this.#bytes += chunk.length
  }

  /** Takes out the first bytes, as many as lie together; undefined when there are none. */
  shift(): Buffer | undefined {
    if (this.#pieces.length === 0) this.#closePiece()
    const piece = this.#pieces.shift()
    if (piece !== undefined) this.#bytes -= piece.length
    return piece
  }

  /** Takes out everything, in few pieces. */
  take(): Buffer[] {
    this.#closePiece()
    const pieces = this.#pieces
    this.clear()
    return pieces
  }

  /** Takes out everything as one Buffer, whose memory is shared with nothing. */
  concat(): Buffer {
    const bytes = this.#bytes
    const pieces = this.take()
    const [first] = pieces
    if (pieces.length === 1 && first?.buffer.byteLength === bytes) return first
    // Not out of the pool of `allocUnsafe`: a short value would keep all of it.
    const whole = Buffer.allocUnsafeSlow(bytes)
    let at = 0
    for (const piece of pieces) at += piece.copy(whole, at)
    return whole
  }

  clear(): void {
    this.#pieces = []
    this.#slab = EMPTY
    this.#from = 0
    this.#filled = 0
    this.#bytes = 0
  }

  #copy(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const end = this.#from + this.#filled
      if (end === this.#slab.length) {
        this.#closePiece()
        this.#slab = Buffer.allocUnsafeSlow(this.#slabBytes(chunk.length - at))
        this.#from = 0
        continue
      }
      const copied = chunk.copy(this.#slab, end, at)
      this.#filled += copied
      at += copied
    }
  }

  /** What was copied since becomes a piece; the rest of its slab goes on being filled. */
  #closePiece(): void {
    if (this.#filled === 0) return
    const end = this.#from + this.#filled
    this.#pieces.push(this.#slab.subarray(this.#from, end))
    this.#from = end
    this.#filled = 0
  }

  #slabBytes(neededBytes: number): number {
    return Math.min(MAX_SLAB_BYTES, Math.max(MIN_SLAB_BYTES, neededBytes, this.#bytes))
  }
}
