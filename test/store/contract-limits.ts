import { expect, it } from 'vitest'
import { SPACE_NAMES, type Store } from '../../src/store/store.ts'
import { within } from '../support/within.ts'
import { LONG, START, type StoreBench, unavailable } from './store-bench.ts'

export function describeSweep(bench: StoreBench): void {
  it('removes what has expired, of every space, and nothing else', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `k${index}`)
    await Promise.all(keys.map((key, index) => bench.store.put('owners', key, 'v', 1 + (index % 2))))
    await bench.store.put('idempotency', 'k', 'v', 1)
    await bench.store.put('idempotency', 'stays', 'v', LONG)
    expect(await bench.store.sweep()).toBe(0)
    bench.time = START + 1
    expect(await bench.store.sweep()).toBe(126)
    const left = await bench.store.getMany('owners', keys)
    expect(left.filter((value) => value !== undefined)).toHaveLength(125)
    bench.time = START + 2
    expect(await bench.store.sweep()).toBe(125)
    expect(await bench.store.sweep()).toBe(0)
    expect(await bench.store.get('idempotency', 'stays')).toBe('v')
  })

  it('runs by itself', async () => {
    // Nothing else asks for the time, so when it was asked for often enough a sweep has come and gone.
    let asked = 0
    let enough: () => void = () => {}
    const swept = new Promise<void>((resolve) => {
      enough = resolve
    })
    const now = () => {
      asked += 1
      if (asked > 12) enough()
      return bench.time
    }
    const own = await bench.open({ now, sweepIntervalMs: 5 })
    await own.put('owners', 'k', 'v', 1)
    bench.time = START + 1
    asked = 0
    await within(swept, 'no sweep ran by itself')
    expect(await own.sweep()).toBe(0)
  })

  it('is joined by another while it runs', async () => {
    await bench.store.put('owners', 'k', 'v', 1)
    bench.time = START + 1
    expect(await Promise.all([bench.store.sweep(), bench.store.sweep()])).toEqual([1, 1])
  })
}

const FULL = { maxBytes: 256 * 1024 }
const VALUE = 'v'.repeat(20_000)

/** Claims until there is no more room: the keys that fitted. */
async function fill(small: Store, livesMs: number): Promise<string[]> {
  const keys: string[] = []
  const claimAll = async () => {
    for (let index = 0; index < 50; index += 1) {
      await small.claim('owners', `k${index}`, VALUE, livesMs)
      keys.push(`k${index}`)
    }
  }
  await expect(claimAll()).rejects.toEqual(unavailable)
  return keys
}

export function describeFullStore(bench: StoreBench): void {
  it('goes on reading, replacing and deleting', async () => {
    const small = await bench.open(FULL)
    const keys = await fill(small, LONG)
    await expect(small.put('idempotency', 'one more', VALUE, LONG)).rejects.toEqual(unavailable)
    expect(await small.claim('owners', 'k0', 'x', LONG)).toBe(VALUE)
    expect(await small.getMany('owners', keys)).toEqual(keys.map(() => VALUE))
    expect(await small.replace('owners', 'k0', VALUE, 'w', LONG)).toBe(true)
    await small.put('owners', 'k1', 'w', LONG)
    expect(await small.delete('owners', 'k2')).toBe(true)
    expect(await small.delete('owners', 'k3')).toBe(true)
    expect(await small.claim('owners', 'another', 'v', LONG)).toBe(undefined)
  })

  it('sweeps before it says no', async () => {
    const small = await bench.open(FULL)
    const keys = await fill(small, 10)
    bench.time = START + 10
    expect(await small.claim('owners', 'another', VALUE, LONG)).toBe(undefined)
    expect((await small.getMany('owners', keys)).filter((value) => value !== undefined)).toEqual([])
  })
}

export function describeBounds(bench: StoreBench): void {
  it('has no bound on the number of entries', async () => {
    const small = await bench.open({ maxBytes: 2 * 1024 * 1024 })
    const keys = Array.from({ length: 2000 }, (_, index) => `k${index}`)
    await Promise.all(keys.map((key) => small.claim('owners', key, 'v', LONG)))
    expect((await small.usage()).entries).toEqual({ idempotency: 0, leases: 0, owners: 2000 })
  })

  it('is bounded in bytes, and keeps some for what it has begun', async () => {
    const small = await bench.open({ maxBytes: 1024 * 1024 })
    const value = 'v'.repeat(100_000)
    let count = 0
    const fill = async () => {
      for (; count < 100; count += 1) await small.claim('owners', `k${count}`, value, LONG)
    }
    await expect(fill()).rejects.toEqual(unavailable)
    expect(count).toBeGreaterThan(7)
    expect(count).toBeLessThan(11)
    expect(await small.get('owners', 'k0')).toBe(value)
    await expect(small.claim('idempotency', 'k', value, LONG)).rejects.toEqual(unavailable)
    expect(await small.replace('owners', 'k0', value, `${value}${value}`, LONG)).toBe(true)
    await expect(small.put('owners', 'k1', value.repeat(9), LONG)).rejects.toEqual(unavailable)
    for (let index = 0; index < count; index += 1) await small.delete('owners', `k${index}`)
    expect(await small.claim('idempotency', 'k', value, LONG)).toBe(undefined)
  })
}

export function describeUsage(bench: StoreBench): void {
  it('counts the entries of each space and the bytes of all', async () => {
    const before = await bench.store.usage()
    expect(before.entries).toEqual({ idempotency: 0, leases: 0, owners: 0 })
    await bench.store.put('owners', 'a', 'v'.repeat(100_000), LONG)
    await bench.store.put('owners', 'b', 'v', 10)
    await bench.store.put('idempotency', 'a', 'v', LONG)
    const full = await bench.store.usage()
    expect(full.entries).toEqual({ idempotency: 1, leases: 0, owners: 2 })
    expect(full.bytes - before.bytes).toBeGreaterThan(100_000)
    expect(full.bytes - before.bytes).toBeLessThan(140_000)
    expect(full.maxBytes).toBeGreaterThan(full.bytes)
    await bench.store.delete('owners', 'a')
    bench.time = START + 10
    await bench.store.sweep()
    const after = await bench.store.usage()
    expect(after.entries).toEqual({ idempotency: 1, leases: 0, owners: 0 })
    expect(after.bytes).toBeLessThan(full.bytes - 90_000)
  })

  it('is warned of at 80 %, once until it falls below', async () => {
    const warnings: string[] = []
    const log = { warn: (_: object, message: string) => warnings.push(message), error: () => {} }
    const small = await bench.open({ maxBytes: 1024 * 1024, log })
    const put = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        await small.put('owners', `k${index}`, 'v'.repeat(100_000), LONG)
      }
      await small.usage()
    }
    await put(6)
    expect(warnings).toEqual([])
    await put(9)
    await put(9)
    expect(warnings).toEqual([expect.stringContaining('80 % full')])
    for (let index = 0; index < 9; index += 1) await small.delete('owners', `k${index}`)
    await small.sweep()
    await put(9)
    expect(warnings).toHaveLength(2)
  })
}

export function describeEnd(bench: StoreBench): void {
  it('close waits for writes under way', async () => {
    const claims = Array.from({ length: 50 }, (_, index) =>
      bench.store.claim('owners', `k${index}`, 'v', LONG),
    )
    await bench.store.close()
    expect(await Promise.all(claims)).toEqual(new Array(50).fill(undefined))
  })

  it('close meets writes that have to start over', async () => {
    const puts = Array.from({ length: 50 }, () => bench.store.put('owners', 'k', 'v', LONG))
    await bench.store.close()
    const outcomes = await Promise.allSettled(puts)
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(refused.length).toBeLessThan(50)
    for (const reason of refused) expect(reason).toEqual(unavailable)
  })

  it('makes every later call store_unavailable', async () => {
    await bench.store.put('owners', 'k', 'v', 1)
    await Promise.all([bench.store.close(), bench.store.close()])
    await bench.store.close()
    for (const space of SPACE_NAMES) {
      await expect(bench.store.claim(space, 'k', 'v', LONG)).rejects.toEqual(unavailable)
      await expect(bench.store.put(space, 'k', 'v', LONG)).rejects.toEqual(unavailable)
      await expect(bench.store.replace(space, 'k', 'v', 'w', LONG)).rejects.toEqual(unavailable)
      await expect(bench.store.delete(space, 'k')).rejects.toEqual(unavailable)
      await expect(bench.store.get(space, 'k')).rejects.toEqual(unavailable)
      await expect(bench.store.getMany(space, ['k'])).rejects.toEqual(unavailable)
    }
    await expect(bench.store.list('leases', { limit: 1 })).rejects.toEqual(unavailable)
    await expect(bench.store.usage()).rejects.toEqual(unavailable)
    await expect(bench.store.sweep()).rejects.toEqual(unavailable)
  })

  it('rejects what is called meanwhile', async () => {
    const closing = bench.store.close()
    await expect(bench.store.claim('owners', 'k', 'v', LONG)).rejects.toEqual(unavailable)
    await closing
  })
}
