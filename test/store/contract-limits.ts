import { expect, it } from 'vitest'
import { SPACES } from '../../src/store/store.ts'
import { within } from '../support/within.ts'
import { LATER, START, type StoreBench, unavailable } from './store-bench.ts'

export function describeSweep(bench: StoreBench): void {
  it('removes what has expired, of every space, and nothing else', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `k${index}`)
    await Promise.all(keys.map((key, index) => bench.store.put('owners', key, 'v', START + 1 + (index % 2))))
    await bench.store.put('idempotency', 'k', 'v', START + 1)
    await bench.store.put('idempotency', 'stays', 'v', LATER)
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
    await own.put('owners', 'k', 'v', START + 1)
    bench.time = START + 1
    asked = 0
    await within(swept, 'no sweep ran by itself')
    expect(await own.sweep()).toBe(0)
  })

  it('is joined by another while it runs', async () => {
    await bench.store.put('owners', 'k', 'v', START + 1)
    bench.time = START + 1
    expect(await Promise.all([bench.store.sweep(), bench.store.sweep()])).toEqual([1, 1])
  })
}

export function describeFullStore(bench: StoreBench): void {
  it('takes no more entries than it may have', async () => {
    const small = await bench.open({ maxEntries: 3 })
    const keys = Array.from({ length: 10 }, (_, index) => `k${index}`)
    const claims = await Promise.allSettled(keys.map((key) => small.claim('owners', key, 'v', LATER)))
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    const kept = await small.getMany('owners', keys)
    expect(kept.filter((value) => value !== undefined)).toHaveLength(3)
    await expect(small.put('owners', 'one more', 'v', LATER)).rejects.toEqual(unavailable)
    expect(await small.claim('idempotency', 'k', 'v', LATER)).toBe(undefined)
  })

  it('goes on reading, replacing and deleting', async () => {
    const small = await bench.open({ maxEntries: 2 })
    await small.put('owners', 'a', '1', LATER)
    await small.put('owners', 'b', '2', LATER)
    expect(await small.claim('owners', 'a', 'x', LATER)).toBe('1')
    expect(await small.getMany('owners', ['a', 'b'])).toEqual(['1', '2'])
    expect(await small.replace('owners', 'a', '1', '10', LATER)).toBe(true)
    await small.put('owners', 'b', '20', LATER)
    expect(await small.delete('owners', 'a')).toBe(true)
    expect(await small.claim('owners', 'c', '3', LATER)).toBe(undefined)
  })

  it('sweeps before it says no', async () => {
    const small = await bench.open({ maxEntries: 2 })
    await small.put('owners', 'a', '1', START + 1)
    await small.put('owners', 'b', '2', LATER)
    bench.time = START + 1
    expect(await small.claim('owners', 'c', '3', LATER)).toBe(undefined)
    expect(await small.getMany('owners', ['a', 'b', 'c'])).toEqual([undefined, '2', '3'])
    await small.put('owners', 'b', '2', START + 2)
    bench.time = START + 2
    expect(await small.claim('owners', 'd', '4', LATER)).toBe(undefined)
  })

  it('is bounded in bytes, and keeps some for what it has begun', async () => {
    const small = await bench.open({ maxBytes: 1024 * 1024 })
    const value = 'v'.repeat(100_000)
    let count = 0
    const fill = async () => {
      for (; count < 100; count += 1) await small.claim('owners', `k${count}`, value, LATER)
    }
    await expect(fill()).rejects.toEqual(unavailable)
    expect(count).toBeGreaterThan(7)
    expect(count).toBeLessThan(11)
    expect(await small.get('owners', 'k0')).toBe(value)
    await expect(small.claim('idempotency', 'k', value, LATER)).rejects.toEqual(unavailable)
    expect(await small.replace('owners', 'k0', value, `${value}${value}`, LATER)).toBe(true)
    await expect(small.put('owners', 'k1', value.repeat(9), LATER)).rejects.toEqual(unavailable)
    for (let index = 0; index < count; index += 1) await small.delete('owners', `k${index}`)
    expect(await small.claim('idempotency', 'k', value, LATER)).toBe(undefined)
  })
}

export function describeEnd(bench: StoreBench): void {
  it('close waits for writes under way', async () => {
    const claims = Array.from({ length: 50 }, (_, index) =>
      bench.store.claim('owners', `k${index}`, 'v', LATER),
    )
    await bench.store.close()
    expect(await Promise.all(claims)).toEqual(new Array(50).fill(undefined))
  })

  it('close meets writes that have to start over', async () => {
    const puts = Array.from({ length: 50 }, () => bench.store.put('owners', 'k', 'v', LATER))
    await bench.store.close()
    const outcomes = await Promise.allSettled(puts)
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(refused.length).toBeLessThan(50)
    for (const reason of refused) expect(reason).toEqual(unavailable)
  })

  it('makes every later call store_unavailable', async () => {
    await bench.store.put('owners', 'k', 'v', START + 1)
    await Promise.all([bench.store.close(), bench.store.close()])
    await bench.store.close()
    for (const space of SPACES) {
      await expect(bench.store.claim(space, 'k', 'v', LATER)).rejects.toEqual(unavailable)
      await expect(bench.store.put(space, 'k', 'v', LATER)).rejects.toEqual(unavailable)
      await expect(bench.store.replace(space, 'k', 'v', 'w', LATER)).rejects.toEqual(unavailable)
      await expect(bench.store.delete(space, 'k')).rejects.toEqual(unavailable)
      await expect(bench.store.get(space, 'k')).rejects.toEqual(unavailable)
      await expect(bench.store.getMany(space, ['k'])).rejects.toEqual(unavailable)
    }
    await expect(bench.store.sweep()).rejects.toEqual(unavailable)
  })

  it('rejects what is called meanwhile', async () => {
    const closing = bench.store.close()
    await expect(bench.store.claim('owners', 'k', 'v', LATER)).rejects.toEqual(unavailable)
    await closing
  })
}
