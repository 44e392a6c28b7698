import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { createProcessLease, type ProcessLease } from '../../../src/services/idempotency/process-lease.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'

const LEASE_MS = 6_000

let nowMs: number
let store: Store
let writes: number
let isAway: boolean
let lease: ProcessLease
let other: ProcessLease

// No socket is near: the lease talks to a store in memory, and its timers are the only ones.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  nowMs = 1_000_000
  writes = 0
  isAway = false
  store = createMemoryStore({ now: () => nowMs })
  const put = store.put.bind(store)
  store.put = async (...entry) => {
    if (isAway) throw new GatewayError({ code: 'store_unavailable' })
    writes += 1
    return put(...entry)
  }
  const create = () => createProcessLease({ store, now: () => nowMs, leaseMs: LEASE_MS })
  lease = create()
  other = create()
})

afterEach(async () => {
  vi.useRealTimers()
  await store.close()
})

/** Lets time pass in small steps, so that timers run at the time they are set to. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    nowMs += 100
    await vi.advanceTimersByTimeAsync(100)
  }
}

test('a process that holds no lease counts as dead', async () => {
  expect(await other.isAlive(lease.process)).toBe(false)
})

test('two leases are two processes', () => {
  expect(lease.process).not.toBe(other.process)
})

test('another process sees the lease as soon as it is held, for longer than it lasts', async () => {
  const release = await lease.hold()
  expect(await other.isAlive(lease.process)).toBe(true)
  await pass(10 * LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(true)
  release()
})

test('a lease that was released runs out and is not renewed', async () => {
  const release = await lease.hold()
  await pass(LEASE_MS)
  release()
  const before = writes
  expect(await other.isAlive(lease.process)).toBe(true)
  await pass(LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(false)
  expect(writes).toBe(before)
})

test('it is renewed until the last holder has released it', async () => {
  const [first, second] = [await lease.hold(), await lease.hold()]
  first()
  await pass(2 * LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(true)
  second()
  await pass(LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(false)
})

test('holding it again writes only when half of it has passed', async () => {
  const first = await lease.hold()
  first()
  nowMs += LEASE_MS / 2 - 1
  const second = await lease.hold()
  second()
  expect(writes).toBe(1)
  nowMs += 2
  const third = await lease.hold()
  third()
  expect(writes).toBe(2)
})

test('holders at the same time share one write', async () => {
  const releases = await Promise.all([lease.hold(), lease.hold(), lease.hold()])
  expect(writes).toBe(1)
  for (const release of releases) release()
})

test('a lease that can not be written is not held', async () => {
  isAway = true
  await expect(lease.hold()).rejects.toThrow('store_unavailable')
  isAway = false
  await pass(2 * LEASE_MS)
  expect(writes).toBe(0)
  const release = await lease.hold()
  expect(await other.isAlive(lease.process)).toBe(true)
  release()
  // The hold that failed does not count: nothing renews the lease any more.
  await pass(2 * LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(false)
})

test('a lease that could not be renewed once is renewed the next time', async () => {
  const release = await lease.hold()
  isAway = true
  await pass(LEASE_MS / 3)
  isAway = false
  await pass(LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(true)
  release()
})

test('a lease that can not be renewed runs out', async () => {
  const release = await lease.hold()
  isAway = true
  await pass(LEASE_MS)
  expect(await other.isAlive(lease.process)).toBe(false)
  release()
})
