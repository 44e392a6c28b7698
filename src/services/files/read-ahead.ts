import type { FileIntake } from './file-intake.ts'
import type { MemoryBudget, Reservation } from './memory-budget.ts'
import { PartBuffer, type SlabPool } from './part-buffer.ts'

export type ReadAheadDeps = {
  budget: MemoryBudget
  /**
   * Part of `budget`: how much of it may be read ahead. An upload that has read ahead asks for more while it
   * holds that, so all of it taken like this would leave every upload waiting for the others.
   */
  readAheadBudget: MemoryBudget
  slabs: SlabPool
}

/**
 * What is read of a file before its size is known. Its memory passes to the parts that the bytes end up in;
 * the permit to read ahead is given back as soon as nothing more has to be asked for beside that memory.
 */
export class ReadAhead {
  readonly #deps: ReadAheadDeps
  readonly #signal: AbortSignal
  #permit: Reservation | undefined
  #memory: Reservation | undefined
  #buffer: PartBuffer | undefined

  constructor(deps: ReadAheadDeps, signal: AbortSignal) {
    this.#deps = deps
    this.#signal = signal
  }

  /**
   * Reads up to `bytes` bytes of a file and puts them back in front of it. Gives how many there were: fewer
   * when the file has ended. To be called once.
   */
  async fill(intake: FileIntake, bytes: number): Promise<number> {
    const { budget, readAheadBudget, slabs } = this.#deps
    this.#permit = await readAheadBudget.reserve(bytes, this.#signal)
    const memory = await budget.reserve(bytes, this.#signal)
    this.#memory = memory
    this.#buffer = new PartBuffer(slabs, bytes)
    const read = await intake.collect(this.#buffer, bytes)
    intake.putBack(read.chunks)
    if (read.bytes < bytes) {
      this.#memory = memory.split(read.bytes)
      memory.release()
      this.#permit.release()
    }
    return read.bytes
  }

  /** Memory of up to `bytes` bytes for the next part, which has the first of the bytes that were read. */
  takeMemory(bytes: number): Reservation | undefined {
    return this.#memory?.split(bytes)
  }

  /** To be called when the next part has all its memory. */
  giveBackUnusedPermit(): void {
    if (this.#memory?.bytes === 0) this.#permit?.release()
  }

  /** To be called after bytes were taken from the intake: once all were copied on, others may use the memory. */
  recycle(intake: FileIntake): void {
    if (!intake.isCaughtUp) return
    this.#buffer?.recycle()
    this.#buffer = undefined
  }

  /** Gives back whatever is still held. */
  release(): void {
    this.#memory?.release()
    this.#permit?.release()
  }
}
