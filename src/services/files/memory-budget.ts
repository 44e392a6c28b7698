import { GatewayError } from '../../errors.ts'

/** Seconds after which an upload that found no room may come again. */
const RETRY_AFTER_SECONDS = 5

/** Bytes of memory that somebody holds. Giving back twice does nothing. */
export type Lease = {
  readonly bytes: number
  /** Takes `bytes` of this lease over into one of its own. */
  split(bytes: number): Lease
  release(): void
}

/** The memory for parts on their way, over all uploads of this process. */
export type MemoryBudget = {
  /** Bytes that are held at the moment. */
  readonly held: number
  /**
   * Waits for room, first come first served. Throws `overloaded` when it takes too long; when `signal`
   * aborts it throws as well, and nobody is there to see what.
   */
  take(bytes: number, signal: AbortSignal): Promise<Lease>
}

type Waiter = { bytes: number; admit: () => void }

export function createMemoryBudget(options: { limitBytes: number; maxWaitMs: number }): MemoryBudget {
  const { limitBytes, maxWaitMs } = options
  const queue = new Set<Waiter>()
  let held = 0

  const fits = (bytes: number) => held + bytes <= limitBytes
  const lease = (bytes: number): Lease => new HeldBytes(bytes, release)
  function release(bytes: number): void {
    held -= bytes
    for (const waiter of queue) {
      if (!fits(waiter.bytes)) return
      queue.delete(waiter)
      waiter.admit()
    }
  }

  return {
    get held() {
      return held
    },
    take: (asked, signal) => {
      // More than there is at all would wait for ever.
      const bytes = Math.min(asked, limitBytes)
      if (signal.aborted) return Promise.reject(overloaded())
      if (bytes === 0 || (queue.size === 0 && fits(bytes))) {
        held += bytes
        return Promise.resolve(lease(bytes))
      }
      return new Promise((resolve, reject) => {
        const settle = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', giveUp)
        }
        const giveUp = () => {
          settle()
          queue.delete(waiter)
          reject(overloaded())
          // Whoever stood behind may fit where this one did not.
          release(0)
        }
        const admit = () => {
          settle()
          held += bytes
          resolve(lease(bytes))
        }
        const waiter = { bytes, admit }
        const timer = setTimeout(giveUp, maxWaitMs)
        signal.addEventListener('abort', giveUp, { once: true })
        queue.add(waiter)
      })
    },
  }
}

class HeldBytes implements Lease {
  #bytes: number
  readonly #giveBack: (bytes: number) => void

  constructor(bytes: number, giveBack: (bytes: number) => void) {
    this.#bytes = bytes
    this.#giveBack = giveBack
  }

  get bytes(): number {
    return this.#bytes
  }

  split(bytes: number): Lease {
    const taken = Math.min(bytes, this.#bytes)
    this.#bytes -= taken
    return new HeldBytes(taken, this.#giveBack)
  }

  release(): void {
    const bytes = this.#bytes
    this.#bytes = 0
    this.#giveBack(bytes)
  }
}

function overloaded(): GatewayError {
  const detail = 'Too many uploads are under way in this gateway.'
  return new GatewayError({ code: 'overloaded', detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
}
