import { afterEach, beforeEach, expect } from 'vitest'
import type { Store, StoreOptions } from '../../src/store/store.ts'

/** Opens a new, empty store. */
export type OpenDriver = (options: StoreOptions) => Promise<Store>

/** What a test of the contract works with: a store of its own, and the time that all its stores see. */
export type StoreBench = {
  /** Epoch milliseconds; `START` at the beginning of each test. */
  time: number
  readonly store: Store
  /** Another new store, closed with the test. */
  open(options?: Partial<StoreOptions>): Promise<Store>
}

export const START = 1_800_000_000_000
/** How long an entry lives that outlives its test, in milliseconds. */
export const LONG = 3_600_000

export const unavailable = expect.objectContaining({
  name: 'GatewayError',
  failure: { code: 'store_unavailable' },
  cause: expect.anything(),
})

/** A bench whose store is new for every test of the suite that calls this. */
export function createStoreBench(openDriver: OpenDriver): StoreBench {
  const opened: Store[] = []
  let store: Store | undefined
  const bench: StoreBench = {
    time: START,
    get store() {
      if (store === undefined) throw new Error('the store is open during a test only')
      return store
    },
    open: async (options = {}) => {
      const one = await openDriver({ now: () => bench.time, ...options })
      opened.push(one)
      return one
    },
  }
  beforeEach(async () => {
    bench.time = START
    store = await bench.open()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  return bench
}
