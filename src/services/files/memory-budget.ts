import { SharedLimit } from '../../domain/shared-limit.ts'
import { GatewayError } from '../../errors.ts'
import { UploadAborted } from './abort.ts'
import {
  GrowingReservation,
  type MemoryAsk,
  type MemoryHolder,
  type MemoryPurpose,
  type MemorySource,
  type Reservation,
} from './reservation.ts'

/*
 * Memory is taken as bytes arrive, so uploads may all stand in the middle of a part when there is no more of it. Two
 * things are kept back for that. Whoever gets from `part` gets all that its part still needs, and then waits for
 * nothing but its caller and the store; so it ends, and gives back. Whoever gets from `readAhead` gets all that it
 * still reads ahead; after that it may wait for `part`, and nobody in `part` waits for it. So there is no circle.
 */

/** What share of the memory each source has; a part of 64 MiB (domain/upload-plan.ts) fits into 3/8 of 256 MiB. */
const SHARES: Readonly<Record<MemorySource, number>> = { open: 1 / 2, readAhead: 1 / 8, part: 3 / 8 }

/** How much of a source, and of everything, one caller may have. */
const CALLER_SHARE = 1 / 2

/** The memory for parts on their way, over all uploads of this process. */
export type MemoryBudget = {
  /** Bytes that are reserved at the moment. */
  readonly held: number
  /** Memory for up to `mostBytes` bytes, of which none is reserved yet. */
  begin(holder: MemoryHolder, purpose: MemoryPurpose, mostBytes: number): Reservation
}

/** `limitBytes`: in all. `maxWaitMs`: how long an upload waits before it fails with `overloaded`. */
export function createMemoryBudget(options: { limitBytes: number; maxWaitMs: number }): MemoryBudget {
  const pools = new MemoryPools(options)
  return {
    get held() {
      return pools.held
    },
    begin: (holder, purpose, mostBytes) => new GrowingReservation(pools, holder, purpose, mostBytes),
  }
}

class MemoryPools {
  readonly #limits: Readonly<Record<MemorySource, SharedLimit>>
  readonly #callerBytes: number
  readonly #maxWaitMs: number
  /** In the order of their asking. */
  readonly #queue = new Set<MemoryAsk & { settle: () => void }>()

  constructor({ limitBytes, maxWaitMs }: { limitBytes: number; maxWaitMs: number }) {
    const limit = (source: MemorySource) => {
      const bytes = Math.floor(limitBytes * SHARES[source])
      return new SharedLimit(bytes, Math.floor(bytes * CALLER_SHARE))
    }
    this.#limits = { open: limit('open'), readAhead: limit('readAhead'), part: limit('part') }
    this.#callerBytes = Math.floor(limitBytes * CALLER_SHARE)
    this.#maxWaitMs = maxWaitMs
  }

  get held(): number {
    const { open, readAhead, part } = this.#limits
    return open.held + readAhead.held + part.held
  }

  /** Undefined when it was granted at once. Throws `overloaded`, or `UploadAborted` when the holder's signal aborts. */
  ask(ask: MemoryAsk): Promise<void> | undefined {
    const { signal } = ask.holder
    if (signal.aborted) return Promise.reject(new UploadAborted())
    if (this.#queue.size === 0 && this.#grant(ask, new Set())) return undefined
    return new Promise((resolve, reject) => {
      const end = (finish: () => void) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        this.#queue.delete(waiting)
        finish()
      }
      const giveUp = (error: Error) => {
        end(() => reject(error))
        // Those behind it may fit where this one did not.
        this.#serve()
      }
      const onAbort = () => giveUp(new UploadAborted())
      const onLate = () => {
        // Its own parts have deadlines of their own, and bring their memory back.
        if (ask.holder.hasPartsUnderWay()) timer.refresh()
        else giveUp(overloaded())
      }
      const waiting = { ...ask, settle: () => end(resolve) }
      const timer = setTimeout(onLate, this.#maxWaitMs)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#queue.add(waiting)
      this.#serve()
    })
  }

  giveBack(callerID: string, source: MemorySource, bytes: number): void {
    if (bytes === 0) return
    this.#limits[source].give(callerID, bytes)
    this.#serve()
  }

  #serve(): void {
    /** What somebody waits for because all is taken: those behind must not get it first, however little they need. */
    const taken = new Set<MemorySource>()
    for (const ask of this.#queue) if (this.#grant(ask, taken)) ask.settle()
  }

  #grant(ask: MemoryAsk, taken: Set<MemorySource>): boolean {
    const { callerID } = ask.holder
    for (const source of ['open', ask.purpose] as const) {
      const limit = this.#limits[source]
      // More than there is at all would wait for ever.
      const bytes = source === 'open' ? ask.stepBytes : Math.min(ask.restBytes, limit.limit)
      const refusal =
        source === 'open' ? limit.refusal(callerID, bytes) : this.#refusal(source, callerID, bytes)
      if (refusal === 'all') taken.add(source)
      if (refusal !== undefined || taken.has(source)) continue
      limit.take(callerID, bytes)
      ask.grant(source, bytes)
      return true
    }
    return false
  }

  /** A caller that has nothing of what is kept back may have what it asks for, so that it can always go on. */
  #refusal(source: MemoryPurpose, callerID: string, bytes: number): 'caller' | 'all' | undefined {
    const limit = this.#limits[source]
    const has = limit.heldBy(callerID)
    const all = source === 'part' ? this.#limits.open.heldBy(callerID) + has : 2 * has
    const most = source === 'part' ? this.#callerBytes : limit.limit
    if (has > 0 && all + bytes > most) return 'caller'
    return limit.fits(bytes) ? undefined : 'all'
  }
}

function overloaded(): GatewayError {
  const detail = 'Too many uploads are under way in this gateway. Retry after the time in Retry-After.'
  return new GatewayError({ code: 'overloaded', detail })
}
