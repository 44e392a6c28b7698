import { expect, it } from 'vitest'
import { MAX_KEY_BYTES, MAX_LIFE_MS, MAX_LISTED, MAX_VALUE_BYTES } from '../../src/store/limits.ts'
import { LONG, START, type StoreBench } from './store-bench.ts'

export function describeClaim(bench: StoreBench): void {
  it('is won once, and gives every other claimer the current value', async () => {
    expect(await bench.store.claim('idempotency', 'k', 'first', LONG)).toBe(undefined)
    expect(await bench.store.claim('idempotency', 'k', 'second', LONG)).toBe('first')
    expect(await bench.store.get('idempotency', 'k')).toBe('first')
  })

  it('that finds exactly what it was about to write is its own, so it may be repeated', async () => {
    expect(await bench.store.claim('idempotency', 'k', 'attempt 1', LONG)).toBe(undefined)
    expect(await bench.store.claim('idempotency', 'k', 'attempt 1', LONG)).toBe(undefined)
    expect(await bench.store.claim('idempotency', 'k', 'attempt 2', LONG)).toBe('attempt 1')
  })

  it('keeps the spaces apart', async () => {
    expect(await bench.store.claim('idempotency', 'k', 'a record', LONG)).toBe(undefined)
    expect(await bench.store.claim('owners', 'k', 'an owner', LONG)).toBe(undefined)
    expect(await bench.store.get('idempotency', 'k')).toBe('a record')
  })

  it('is won once by a hundred at the same time', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `claimer ${index}`)
    const answers = await Promise.all(names.map((one) => bench.store.claim('idempotency', 'k', one, LONG)))
    const winner = names.filter((_, index) => answers[index] === undefined)
    expect(winner).toHaveLength(1)
    expect(answers.filter((answer) => answer !== undefined)).toEqual(new Array(99).fill(winner[0]))
    expect(await bench.store.get('idempotency', 'k')).toBe(winner[0])
  })

  it('is won by each of a thousand with keys of their own', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`)
    const answers = await Promise.all(keys.map((key) => bench.store.claim('owners', key, `of ${key}`, LONG)))
    expect(answers).toEqual(new Array(1000).fill(undefined))
    expect(await bench.store.getMany('owners', keys)).toEqual(keys.map((key) => `of ${key}`))
  })

  it('takes a key whose entry has expired, once', async () => {
    await bench.store.claim('idempotency', 'k', 'old', 10)
    bench.time = START + 9
    expect(await bench.store.claim('idempotency', 'k', 'new', LONG)).toBe('old')
    bench.time = START + 10
    const answers = await Promise.all(
      ['one', 'two', 'three'].map((value) => bench.store.claim('idempotency', 'k', value, LONG)),
    )
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(1)
    expect(answers).not.toContain('old')
  })
}

export function describePutAndReplace(bench: StoreBench): void {
  it('put replaces any value', async () => {
    await bench.store.put('owners', 'k', 'one', LONG)
    await bench.store.put('owners', 'k', 'two', LONG)
    expect(await bench.store.get('owners', 'k')).toBe('two')
    await Promise.all(['a', 'b', 'c'].map((value) => bench.store.put('owners', 'k', value, LONG)))
    expect(['a', 'b', 'c']).toContain(await bench.store.get('owners', 'k'))
  })

  it('the expiry of a new value counts, not that of the one before', async () => {
    await bench.store.put('owners', 'k', 'short', 10)
    await bench.store.put('owners', 'k', 'long', LONG)
    await bench.store.put('owners', 'other', 'long', LONG)
    await bench.store.replace('owners', 'other', 'long', 'short', 10)
    bench.time = START + 20
    expect(await bench.store.sweep()).toBe(1)
    expect(await bench.store.get('owners', 'k')).toBe('long')
    expect(await bench.store.get('owners', 'other')).toBe(undefined)
  })

  it('replace happens only to what was expected', async () => {
    expect(await bench.store.replace('owners', 'k', 'nothing', 'new', LONG)).toBe(false)
    await bench.store.put('owners', 'k', 'old', LONG)
    expect(await bench.store.replace('owners', 'k', 'other', 'new', LONG)).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe('old')
    expect(await bench.store.replace('owners', 'k', 'old', 'new', LONG)).toBe(true)
    expect(await bench.store.get('owners', 'k')).toBe('new')
  })

  it('replace is won once by fifty at the same time', async () => {
    await bench.store.put('owners', 'k', 'old', LONG)
    const names = Array.from({ length: 50 }, (_, index) => `replacer ${index}`)
    const answers = await Promise.all(
      names.map((one) => bench.store.replace('owners', 'k', 'old', one, LONG)),
    )
    const winners = names.filter((_, index) => answers[index])
    expect(winners).toHaveLength(1)
    expect(await bench.store.get('owners', 'k')).toBe(winners[0])
  })

  it('replace does not bring back what has expired', async () => {
    await bench.store.put('owners', 'k', 'old', 10)
    bench.time = START + 10
    expect(await bench.store.replace('owners', 'k', 'old', 'new', LONG)).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe(undefined)
  })
}

export function describeReads(bench: StoreBench): void {
  it('getMany answers in the order of the keys', async () => {
    await bench.store.put('owners', 'a', '1', LONG)
    await bench.store.put('owners', 'b', '2', 10)
    await bench.store.put('owners', 'c', '3', LONG)
    expect(await bench.store.getMany('owners', ['c', 'b', 'none', 'a', 'c'])).toEqual([
      '3',
      '2',
      undefined,
      '1',
      '3',
    ])
    bench.time = START + 10
    expect(await bench.store.getMany('owners', ['b', 'a'])).toEqual([undefined, '1'])
    expect(await bench.store.getMany('owners', [])).toEqual([])
  })
}

export function describeList(bench: StoreBench): void {
  const listKeys = async (range: { from?: string; limit: number }) =>
    (await bench.store.list('leases', range)).map(({ key }) => key)

  it('is in the order of the bytes of the keys, from a key on, in pages', async () => {
    // The order of JavaScript's strings has the last two the other way round.
    const ordered = ['0001', '0002', '01', 'a', 'a\0', 'ab', 'b', '\uFF5E', '\u{1F600}']
    for (const key of [...ordered].reverse()) await bench.store.put('leases', key, `of ${key}`, LONG)
    expect(await bench.store.list('leases', { limit: 100 })).toEqual(
      ordered.map((key) => ({ key, value: `of ${key}` })),
    )
    expect(await listKeys({ limit: 3 })).toEqual(ordered.slice(0, 3))
    expect(await listKeys({ from: '01', limit: 3 })).toEqual(ordered.slice(2, 5))
    expect(await listKeys({ from: '0003', limit: 1 })).toEqual(['01'])
    expect(await listKeys({ from: '\u{1F601}', limit: 3 })).toEqual([])
  })

  it('shows the current value once, and nothing that expired, was deleted or lies in another space', async () => {
    await bench.store.put('leases', 'a', 'old', 10)
    await bench.store.put('leases', 'a', 'new', LONG)
    await bench.store.put('leases', 'b', 'v', 10)
    await bench.store.put('leases', 'c', 'v', LONG)
    await bench.store.put('leases', 'd', 'v', LONG)
    await bench.store.put('owners', 'e', 'v', LONG)
    await bench.store.delete('leases', 'c')
    bench.time = START + 10
    const left = [
      { key: 'a', value: 'new' },
      { key: 'd', value: 'v' },
    ]
    expect(await bench.store.list('leases', { limit: 2 })).toEqual(left)
    await bench.store.sweep()
    expect(await bench.store.list('leases', { limit: 2 })).toEqual(left)
  })

  it('keeps its order over many changes', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => `${(index * 7919) % 300}`.padStart(4, '0'))
    await Promise.all(keys.map((key) => bench.store.put('leases', key, 'v', LONG)))
    await Promise.all(
      keys.filter((_, index) => index % 3 === 0).map((key) => bench.store.delete('leases', key)),
    )
    const expected = keys.filter((_, index) => index % 3 !== 0).sort()
    expect(await listKeys({ limit: MAX_LISTED })).toEqual(expected)
  })

  it('others than 1 to 1000 are a fault of the programmer', async () => {
    for (const limit of [0, -1, 1.5, Number.NaN, MAX_LISTED + 1]) {
      await expect(bench.store.list('leases', { limit })).rejects.toThrow(TypeError)
    }
    await expect(bench.store.list('leases', { from: '', limit: 1 })).rejects.toThrow(TypeError)
  })
}

export function describeDelete(bench: StoreBench): void {
  it('says whether a value was removed', async () => {
    expect(await bench.store.delete('owners', 'k')).toBe(false)
    await bench.store.put('owners', 'k', 'one', LONG)
    expect(await bench.store.delete('owners', 'k')).toBe(true)
    expect(await bench.store.get('owners', 'k')).toBe(undefined)
    expect(await bench.store.claim('owners', 'k', 'two', LONG)).toBe(undefined)
  })

  it('spares another value than the one expected', async () => {
    await bench.store.put('owners', 'k', 'one', LONG)
    expect(await bench.store.delete('owners', 'k', 'two')).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe('one')
    expect(await bench.store.delete('owners', 'k', 'one')).toBe(true)
  })

  it('does not count what has expired, and leaves nothing for a sweep', async () => {
    await bench.store.put('owners', 'k', 'one', 10)
    await bench.store.put('owners', 'gone', 'one', 10)
    expect(await bench.store.delete('owners', 'gone')).toBe(true)
    bench.time = START + 10
    expect(await bench.store.delete('owners', 'k')).toBe(false)
    expect(await bench.store.sweep()).toBe(1)
  })
}

export function describeKeysAndValues(bench: StoreBench): void {
  const oddKeys = ['\0', 'a\0b', 'a', ' ', '\u{1F600}', '\u{10FFFF}', 'x'.repeat(MAX_KEY_BYTES)]
  const oddValues = ['', '\0', '"\u{1F600}"', '\u{1F600}'.repeat(1000), 'v'.repeat(40_000)]

  it('come back as they went in', async () => {
    for (const key of oddKeys) await bench.store.put('owners', key, `of ${key}`, LONG)
    expect(await bench.store.getMany('owners', oddKeys)).toEqual(oddKeys.map((key) => `of ${key}`))
    for (const value of oddValues) {
      await bench.store.put('owners', 'k', value, LONG)
      expect(await bench.store.get('owners', 'k')).toBe(value)
    }
    expect(await bench.store.claim('owners', 'k', 'w', LONG)).toBe(oddValues.at(-1))
  })

  it('a value may have 4 MiB', async () => {
    const value = '\u00FC'.repeat(MAX_VALUE_BYTES / 2)
    expect(await bench.store.claim('idempotency', 'k', value, LONG)).toBe(undefined)
    expect((await bench.store.get('idempotency', 'k')) === value).toBe(true)
    expect(await bench.store.replace('idempotency', 'k', value, 'small', LONG)).toBe(true)
  })

  it('others are a fault of the programmer', async () => {
    const wrongKeys = ['', 'x'.repeat(MAX_KEY_BYTES + 1), '\u00FC'.repeat(600), 'a\uD800']
    for (const key of wrongKeys) {
      await expect(bench.store.claim('owners', key, 'v', LONG)).rejects.toThrow(TypeError)
      await expect(bench.store.put('owners', key, 'v', LONG)).rejects.toThrow(TypeError)
      await expect(bench.store.replace('owners', key, 'v', 'w', LONG)).rejects.toThrow(TypeError)
      await expect(bench.store.delete('owners', key)).rejects.toThrow(TypeError)
      await expect(bench.store.get('owners', key)).rejects.toThrow(TypeError)
      await expect(bench.store.getMany('owners', ['k', key])).rejects.toThrow(TypeError)
    }
    for (const value of ['\uDC00', 'v'.repeat(MAX_VALUE_BYTES + 1)]) {
      await expect(bench.store.claim('owners', 'k', value, LONG)).rejects.toThrow(TypeError)
    }
    for (const livesMs of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1.5, MAX_LIFE_MS + 1]) {
      await expect(bench.store.put('owners', 'k', 'v', livesMs)).rejects.toThrow(TypeError)
    }
  })
}
