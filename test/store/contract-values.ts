import { expect, it } from 'vitest'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../src/store/limits.ts'
import { LATER, START, type StoreBench } from './store-bench.ts'

export function describeClaim(bench: StoreBench): void {
  it('is won once, and gives every other claimer the current value', async () => {
    expect(await bench.store.claim('idempotency', 'k', 'first', LATER)).toBe(undefined)
    expect(await bench.store.claim('idempotency', 'k', 'second', LATER)).toBe('first')
    expect(await bench.store.get('idempotency', 'k')).toBe('first')
  })

  it('keeps the spaces apart', async () => {
    expect(await bench.store.claim('idempotency', 'k', 'a record', LATER)).toBe(undefined)
    expect(await bench.store.claim('owners', 'k', 'an owner', LATER)).toBe(undefined)
    expect(await bench.store.get('idempotency', 'k')).toBe('a record')
  })

  it('is won once by a hundred at the same time', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `claimer ${index}`)
    const answers = await Promise.all(names.map((one) => bench.store.claim('idempotency', 'k', one, LATER)))
    const winner = names.filter((_, index) => answers[index] === undefined)
    expect(winner).toHaveLength(1)
    expect(answers.filter((answer) => answer !== undefined)).toEqual(new Array(99).fill(winner[0]))
    expect(await bench.store.get('idempotency', 'k')).toBe(winner[0])
  })

  it('is won by each of a thousand with keys of their own', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`)
    const answers = await Promise.all(keys.map((key) => bench.store.claim('owners', key, `of ${key}`, LATER)))
    expect(answers).toEqual(new Array(1000).fill(undefined))
    expect(await bench.store.getMany('owners', keys)).toEqual(keys.map((key) => `of ${key}`))
  })

  it('takes a key whose entry has expired, once', async () => {
    await bench.store.claim('idempotency', 'k', 'old', START + 10)
    bench.time = START + 9
    expect(await bench.store.claim('idempotency', 'k', 'new', LATER)).toBe('old')
    bench.time = START + 10
    const answers = await Promise.all(
      ['one', 'two', 'three'].map((value) => bench.store.claim('idempotency', 'k', value, LATER)),
    )
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(1)
    expect(answers).not.toContain('old')
  })
}

export function describePutAndReplace(bench: StoreBench): void {
  it('put replaces any value', async () => {
    await bench.store.put('owners', 'k', 'one', LATER)
    await bench.store.put('owners', 'k', 'two', LATER)
    expect(await bench.store.get('owners', 'k')).toBe('two')
    await Promise.all(['a', 'b', 'c'].map((value) => bench.store.put('owners', 'k', value, LATER)))
    expect(['a', 'b', 'c']).toContain(await bench.store.get('owners', 'k'))
  })

  it('the expiry of a new value counts, not that of the one before', async () => {
    await bench.store.put('owners', 'k', 'short', START + 10)
    await bench.store.put('owners', 'k', 'long', LATER)
    await bench.store.put('owners', 'other', 'long', LATER)
    await bench.store.replace('owners', 'other', 'long', 'short', START + 10)
    bench.time = START + 20
    expect(await bench.store.sweep()).toBe(1)
    expect(await bench.store.get('owners', 'k')).toBe('long')
    expect(await bench.store.get('owners', 'other')).toBe(undefined)
  })

  it('replace happens only to what was expected', async () => {
    expect(await bench.store.replace('owners', 'k', 'nothing', 'new', LATER)).toBe(false)
    await bench.store.put('owners', 'k', 'old', LATER)
    expect(await bench.store.replace('owners', 'k', 'other', 'new', LATER)).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe('old')
    expect(await bench.store.replace('owners', 'k', 'old', 'new', LATER)).toBe(true)
    expect(await bench.store.get('owners', 'k')).toBe('new')
  })

  it('replace is won once by fifty at the same time', async () => {
    await bench.store.put('owners', 'k', 'old', LATER)
    const names = Array.from({ length: 50 }, (_, index) => `replacer ${index}`)
    const answers = await Promise.all(
      names.map((one) => bench.store.replace('owners', 'k', 'old', one, LATER)),
    )
    const winners = names.filter((_, index) => answers[index])
    expect(winners).toHaveLength(1)
    expect(await bench.store.get('owners', 'k')).toBe(winners[0])
  })

  it('replace does not bring back what has expired', async () => {
    await bench.store.put('owners', 'k', 'old', START + 10)
    bench.time = START + 10
    expect(await bench.store.replace('owners', 'k', 'old', 'new', LATER)).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe(undefined)
  })
}

export function describeReads(bench: StoreBench): void {
  it('getMany answers in the order of the keys', async () => {
    await bench.store.put('owners', 'a', '1', LATER)
    await bench.store.put('owners', 'b', '2', START + 10)
    await bench.store.put('owners', 'c', '3', LATER)
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

export function describeDelete(bench: StoreBench): void {
  it('says whether a value was removed', async () => {
    expect(await bench.store.delete('owners', 'k')).toBe(false)
    await bench.store.put('owners', 'k', 'one', LATER)
    expect(await bench.store.delete('owners', 'k')).toBe(true)
    expect(await bench.store.get('owners', 'k')).toBe(undefined)
    expect(await bench.store.claim('owners', 'k', 'two', LATER)).toBe(undefined)
  })

  it('spares another value than the one expected', async () => {
    await bench.store.put('owners', 'k', 'one', LATER)
    expect(await bench.store.delete('owners', 'k', 'two')).toBe(false)
    expect(await bench.store.get('owners', 'k')).toBe('one')
    expect(await bench.store.delete('owners', 'k', 'one')).toBe(true)
  })

  it('does not count what has expired, and leaves nothing for a sweep', async () => {
    await bench.store.put('owners', 'k', 'one', START + 10)
    await bench.store.put('owners', 'gone', 'one', START + 10)
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
    for (const key of oddKeys) await bench.store.put('owners', key, `of ${key}`, LATER)
    expect(await bench.store.getMany('owners', oddKeys)).toEqual(oddKeys.map((key) => `of ${key}`))
    for (const value of oddValues) {
      await bench.store.put('owners', 'k', value, LATER)
      expect(await bench.store.get('owners', 'k')).toBe(value)
    }
    expect(await bench.store.claim('owners', 'k', 'w', LATER)).toBe(oddValues.at(-1))
  })

  it('a value may have 4 MiB', async () => {
    const value = '\u00FC'.repeat(MAX_VALUE_BYTES / 2)
    expect(await bench.store.claim('idempotency', 'k', value, LATER)).toBe(undefined)
    expect((await bench.store.get('idempotency', 'k')) === value).toBe(true)
    expect(await bench.store.replace('idempotency', 'k', value, 'small', LATER)).toBe(true)
  })

  it('others are a fault of the programmer', async () => {
    const wrongKeys = ['', 'x'.repeat(MAX_KEY_BYTES + 1), '\u00FC'.repeat(600), 'a\uD800']
    for (const key of wrongKeys) {
      await expect(bench.store.claim('owners', key, 'v', LATER)).rejects.toThrow(TypeError)
      await expect(bench.store.put('owners', key, 'v', LATER)).rejects.toThrow(TypeError)
      await expect(bench.store.replace('owners', key, 'v', 'w', LATER)).rejects.toThrow(TypeError)
      await expect(bench.store.delete('owners', key)).rejects.toThrow(TypeError)
      await expect(bench.store.get('owners', key)).rejects.toThrow(TypeError)
      await expect(bench.store.getMany('owners', ['k', key])).rejects.toThrow(TypeError)
    }
    for (const value of ['\uDC00', 'v'.repeat(MAX_VALUE_BYTES + 1)]) {
      await expect(bench.store.claim('owners', 'k', value, LATER)).rejects.toThrow(TypeError)
    }
    for (const expiry of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5]) {
      await expect(bench.store.put('owners', 'k', 'v', expiry)).rejects.toThrow(TypeError)
    }
    bench.time = LATER
    expect(await bench.store.sweep()).toBe(0)
  })
}
