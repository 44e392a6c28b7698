import { GatewayError } from '../../errors.ts'
import { UploadAborted } from './abort.ts'

/** Bytes of memory that one upload holds. Releasing twice does nothing. */
export type Reservation = {
  readonly bytes: number
  /** Moves `bytes` of this reservation, or what it has, into one of their own. */
  split(bytes: number): Reservation
  release(): void
}

/** The memory for parts on their way, over all uploads of this process. */
export type MemoryBudget = {
  /** Bytes that are reserved at the moment. */
  readonly held: number
  /**
   * Waits for room, first come first served. Throws `overloaded` when it takes too long, `UploadAborted` when
   * `signal` aborts.
   */
  reserve(bytes: number, signal: AbortSignal): Promise<Reservation>
}

/** An upload that waits for room. */
type Reserver = { bytes: number; grant: () => void }

export function createMemoryBudget(options: { limitBytes: number; maxWaitMs: number }): MemoryBudget {
  const { limitBytes, maxWaitMs } = options
  const queue = new Set<Reserver>()
  let held = 0

  const fits = (bytes: number) => held + bytes <= limitBytes
  const take = (bytes: number): Reservation => {
    held += bytes
    return new HeldBytes(bytes, giveBack)
  }
  function giveBack(bytes: number): void {
    held -= bytes
    for (const reserver of queue) {
      if (!fits(reserver.bytes)) return
      queue.delete(reserver)
      reserver.grant()
    }
  }

  return {
    get held() {
      return held
    },
    reserve: (asked, signal) => {
      // More than there is at all would wait for ever.
      const bytes = Math.min(asked, limitBytes)
      if (signal.aborted) return Promise.reject(new UploadAborted())
      if (bytes === 0 || (queue.size === 0 && fits(bytes))) return Promise.resolve(take(bytes))
      return new Promise((resolve, reject) => {
        const settle = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', onAbort)
        }
        const giveUp = (error: Error) => {
          settle()
          queue.delete(reserver)
          reject(error)
          // Those behind it may fit where this one did not.
          giveBack(0)
        }
        const grant = () => {
          settle()
          resolve(take(bytes))
        }
        const reserver = { bytes, grant }
        const onAbort = () => giveUp(new UploadAborted())
        const timer = setTimeout(() => giveUp(overloaded()), maxWaitMs)
        signal.addEventListener('abort', onAbort, { once: true })
        queue.add(reserver)
      })
    },
  }
}

class HeldBytes implements Reservation {
  #bytes: number
  readonly #giveBack: (bytes: number) => void

  constructor(bytes: number, giveBack: (bytes: number) => void) {
    this.#bytes = bytes
    this.#giveBack = giveBack
  }

  get bytes(): number {
    return this.#bytes
  }

  split(bytes: number): Reservation {
    const moved = Math.min(bytes, this.#bytes)
    this.#bytes -= moved
    return new HeldBytes(moved, this.#giveBack)
  }

  release(): void {
    const bytes = this.#bytes
    this.#bytes = 0
    this.#giveBack(bytes)
  }
}

function overloaded(): GatewayError {
  const detail = 'Too many uploads are under way in this gateway. Retry after the time in Retry-After.'
  return new GatewayError({ code: 'overloaded', detail })
}
