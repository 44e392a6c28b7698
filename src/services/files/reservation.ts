/** Memory is reserved in steps of this many bytes: the size of a slab (part-buffer.ts). */
const STEP_BYTES = 256 * 1024

/** What memory is for: finding out how large a file is, or a part. */
export type MemoryPurpose = 'readAhead' | 'part'

/** Where it is from: what everybody shares, or what is kept back so that those who are in the middle can end. */
export type MemorySource = 'open' | MemoryPurpose

/** The upload that memory is for. */
export type MemoryHolder = {
  callerID: string
  /** Ends waiting. */
  signal: AbortSignal
  /** Whether parts of its own are on their way, which give memory back when they have arrived. */
  hasPartsUnderWay(): boolean
}

/** Memory that grows as bytes arrive. Releasing twice does nothing. */
export type Reservation = {
  /** Bytes that it is enough for at the moment. */
  readonly bytes: number
  /**
   * Makes it enough for `bytes` bytes; undefined when it is at once. Otherwise waits in turn, and throws `overloaded`
   * when that takes too long, `UploadAborted` when the signal of its holder aborts.
   */
  growTo(bytes: number): Promise<void> | undefined
  /** Gives back what is not needed for `bytes` bytes. */
  shrinkTo(bytes: number): void
  /** Takes over memory for up to `bytes` bytes from another reservation of the same upload. */
  takeFrom(other: Reservation, bytes: number): void
  release(): void
}

/** Asks for `stepBytes` now, or, out of what is kept back, for the `restBytes` until the purpose is served. */
export type MemoryAsk = {
  holder: MemoryHolder
  purpose: MemoryPurpose
  stepBytes: number
  restBytes: number
  grant(source: MemorySource, bytes: number): void
}

/** Where memory is asked for and given back. */
type Pools = {
  ask(ask: MemoryAsk): Promise<void> | undefined
  giveBack(callerID: string, source: MemorySource, bytes: number): void
}

const SOURCES = ['part', 'readAhead', 'open'] as const

export class GrowingReservation implements Reservation {
  readonly #pools: Pools
  readonly #holder: MemoryHolder
  readonly #purpose: MemoryPurpose
  readonly #mostBytes: number
  readonly #from: Record<MemorySource, number> = { open: 0, readAhead: 0, part: 0 }
  #bytes = 0

  constructor(pools: Pools, holder: MemoryHolder, purpose: MemoryPurpose, mostBytes: number) {
    this.#pools = pools
    this.#holder = holder
    this.#purpose = purpose
    this.#mostBytes = mostBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  growTo(bytes: number): Promise<void> | undefined {
    if (bytes <= this.#bytes) return undefined
    const wanted = Math.min(toSteps(bytes), Math.max(bytes, this.#mostBytes))
    const stepBytes = wanted - this.#bytes
    const restBytes = Math.max(wanted, this.#mostBytes) - this.#bytes
    return this.#pools.ask({
      holder: this.#holder,
      purpose: this.#purpose,
      stepBytes,
      restBytes,
      grant: (source, granted) => {
        this.#from[source] += granted
        this.#bytes += source === 'open' ? stepBytes : restBytes
      },
    })
  }

  shrinkTo(bytes: number): void {
    let surplus = this.#bytes - Math.min(this.#bytes, toSteps(bytes))
    this.#bytes -= surplus
    for (const source of SOURCES) {
      const given = Math.min(surplus, this.#from[source])
      surplus -= given
      this.#from[source] -= given
      this.#pools.giveBack(this.#holder.callerID, source, given)
    }
  }

  takeFrom(other: Reservation, bytes: number): void {
    if (!(other instanceof GrowingReservation)) throw new Error('memory of another kind')
    const moved = Math.min(bytes, other.#bytes)
    other.#bytes -= moved
    this.#bytes += moved
    let left = moved
    // With its last byte goes whatever it is from.
    const isAll = other.#bytes === 0
    for (const source of SOURCES) {
      const taken = isAll ? other.#from[source] : Math.min(left, other.#from[source])
      left -= taken
      other.#from[source] -= taken
      this.#from[source] += taken
    }
  }

  release(): void {
    this.#bytes = 0
    for (const source of SOURCES) {
      const given = this.#from[source]
      this.#from[source] = 0
      this.#pools.giveBack(this.#holder.callerID, source, given)
    }
  }
}

function toSteps(bytes: number): number {
  return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
}
