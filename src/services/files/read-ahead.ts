import type { FileIntake } from './file-intake.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { PartBuffer, type SlabPool } from './part-buffer.ts'
import type { MemoryHolder, Reservation } from './reservation.ts'

export type ReadAheadDeps = { budget: MemoryBudget; slabs: SlabPool }

/** What is read of a file before its size is known. Its memory passes to the parts that the bytes end up in. */
export class ReadAhead {
  readonly #deps: ReadAheadDeps
  readonly #holder: MemoryHolder
  #memory: Reservation | undefined
  #buffer: PartBuffer | undefined

  constructor(deps: ReadAheadDeps, holder: MemoryHolder) {
    this.#deps = deps
    this.#holder = holder
  }

  /**
   * Reads up to `bytes` bytes of a file and puts them back in front of it. Gives how many there were: fewer
   * when the file has ended. To be called once.
   */
  async fill(intake: FileIntake, bytes: number): Promise<number> {
    const { budget, slabs } = this.#deps
    this.#memory = budget.begin(this.#holder, 'readAhead', bytes)
    this.#buffer = new PartBuffer(slabs, bytes, this.#memory)
    const read = await intake.collect(this.#buffer, bytes)
    intake.putBack(read.chunks)
    this.#memory.shrinkTo(read.bytes)
    return read.bytes
  }

  /** Gives memory of up to `bytes` bytes to the next part, which has the first of the bytes that were read. */
  passMemory(part: Reservation, bytes: number): void {
    if (this.#memory !== undefined) part.takeFrom(this.#memory, bytes)
  }

  /** To be called after bytes were taken from the intake: once all were copied on, others may use the memory. */
  recycle(intake: FileIntake): void {
    if (!intake.isCaughtUp) return
    this.#buffer?.recycle()
    this.#buffer = undefined
    this.release()
  }

  /** Gives back whatever is still held. */
  release(): void {
    this.#memory?.release()
  }
}
