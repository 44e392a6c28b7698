import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../src/store/limits.ts'
import { SPACES, type Store, type StoreOptions } from '../../src/store/store.ts'

/** Opens a new, empty store. */
export type OpenDriver = (options: StoreOptions) => Promise<Store>

const START = 1_800_000_000_000
const HOUR_MS = 3_600_000
const unavailable = expect.objectContaining({
  name: 'GatewayError',
  failure: { code: 'store_unavailable' },
  cause: expect.anything(),
})

/** What every driver of the store must do. */
export function describeStore(name: string, openDriver: OpenDriver): void {
  describe(`${name} store`, () => {
    let time = START
    let store: Store
    const opened: Store[] = []
    const later = START + HOUR_MS

    const open = async (options: Partial<StoreOptions> = {}): Promise<Store> => {
      const one = await openDriver({ now: () => time, ...options })
      opened.push(one)
      return one
    }
    beforeEach(async () => {
      time = START
      store = await open()
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()))
    })

    describe('claim', () => {
      it('is won once, and answers everybody else with what stands there', async () => {
        expect(await store.claim('idempotency', 'k', 'first', later)).toBe(undefined)
        expect(await store.claim('idempotency', 'k', 'second', later)).toBe('first')
        expect(await store.get('idempotency', 'k')).toBe('first')
      })

      it('keeps the spaces apart', async () => {
        expect(await store.claim('idempotency', 'k', 'a record', later)).toBe(undefined)
        expect(await store.claim('owners', 'k', 'an owner', later)).toBe(undefined)
        expect(await store.get('idempotency', 'k')).toBe('a record')
      })

      it('is won once by a hundred at the same time', async () => {
        const names = Array.from({ length: 100 }, (_, index) => `claimer ${index}`)
        const answers = await Promise.all(names.map((one) => store.claim('idempotency', 'k', one, later)))
        const winner = names.filter((_, index) => answers[index] === undefined)
        expect(winner).toHaveLength(1)
        expect(answers.filter((answer) => answer !== undefined)).toEqual(new Array(99).fill(winner[0]))
        expect(await store.get('idempotency', 'k')).toBe(winner[0])
      })

      it('is won by each of a thousand with keys of their own', async () => {
        const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`)
        const answers = await Promise.all(keys.map((key) => store.claim('owners', key, `of ${key}`, later)))
        expect(answers).toEqual(new Array(1000).fill(undefined))
        expect(await store.getMany('owners', keys)).toEqual(keys.map((key) => `of ${key}`))
      })

      it('takes a key whose entry has expired, once', async () => {
        await store.claim('idempotency', 'k', 'old', START + 10)
        time = START + 9
        expect(await store.claim('idempotency', 'k', 'new', later)).toBe('old')
        time = START + 10
        const answers = await Promise.all(
          ['one', 'two', 'three'].map((value) => store.claim('idempotency', 'k', value, later)),
        )
        expect(answers.filter((answer) => answer === undefined)).toHaveLength(1)
        expect(answers).not.toContain('old')
      })
    })

    describe('put and replace', () => {
      it('put sets whatever stood there', async () => {
        await store.put('owners', 'k', 'one', later)
        await store.put('owners', 'k', 'two', later)
        expect(await store.get('owners', 'k')).toBe('two')
        await Promise.all(['a', 'b', 'c'].map((value) => store.put('owners', 'k', value, later)))
        expect(['a', 'b', 'c']).toContain(await store.get('owners', 'k'))
      })

      it('the expiry of a new value counts, not that of the one before', async () => {
        await store.put('owners', 'k', 'short', START + 10)
        await store.put('owners', 'k', 'long', later)
        await store.put('owners', 'other', 'long', later)
        await store.replace('owners', 'other', 'long', 'short', START + 10)
        time = START + 20
        expect(await store.sweep()).toBe(1)
        expect(await store.get('owners', 'k')).toBe('long')
        expect(await store.get('owners', 'other')).toBe(undefined)
      })

      it('replace happens only to what was expected', async () => {
        expect(await store.replace('owners', 'k', 'nothing', 'new', later)).toBe(false)
        await store.put('owners', 'k', 'old', later)
        expect(await store.replace('owners', 'k', 'other', 'new', later)).toBe(false)
        expect(await store.get('owners', 'k')).toBe('old')
        expect(await store.replace('owners', 'k', 'old', 'new', later)).toBe(true)
        expect(await store.get('owners', 'k')).toBe('new')
      })

      it('replace is won once by fifty at the same time', async () => {
        await store.put('owners', 'k', 'old', later)
        const names = Array.from({ length: 50 }, (_, index) => `replacer ${index}`)
        const answers = await Promise.all(names.map((one) => store.replace('owners', 'k', 'old', one, later)))
        const winners = names.filter((_, index) => answers[index])
        expect(winners).toHaveLength(1)
        expect(await store.get('owners', 'k')).toBe(winners[0])
      })

      it('replace does not bring back what has expired', async () => {
        await store.put('owners', 'k', 'old', START + 10)
        time = START + 10
        expect(await store.replace('owners', 'k', 'old', 'new', later)).toBe(false)
        expect(await store.get('owners', 'k')).toBe(undefined)
      })
    })

    describe('reads', () => {
      it('getMany answers in the order of the keys', async () => {
        await store.put('owners', 'a', '1', later)
        await store.put('owners', 'b', '2', START + 10)
        await store.put('owners', 'c', '3', later)
        expect(await store.getMany('owners', ['c', 'b', 'none', 'a', 'c'])).toEqual([
          '3',
          '2',
          undefined,
          '1',
          '3',
        ])
        time = START + 10
        expect(await store.getMany('owners', ['b', 'a'])).toEqual([undefined, '1'])
        expect(await store.getMany('owners', [])).toEqual([])
      })

      it('list finds what begins so, by bytes, unexpired, at most so many', async () => {
        const keys = ['b', 'a:', 'a:2', 'a:1', 'a', 'a:\u{1F600}', 'a:\uFF5E', 'a;', 'A:1']
        for (const key of keys) await store.put('owners', key, `of ${key}`, later)
        await store.put('owners', 'a:0', 'expired', START)
        await store.put('idempotency', 'a:3', 'elsewhere', later)
        const expected = ['a:', 'a:1', 'a:2', 'a:\uFF5E', 'a:\u{1F600}']
        expect(await store.list('owners', 'a:', 10)).toEqual(
          expected.map((key) => ({ key, value: `of ${key}` })),
        )
        expect((await store.list('owners', 'a:', 2)).map(({ key }) => key)).toEqual(['a:', 'a:1'])
        expect(await store.list('owners', '', 100)).toHaveLength(9)
        expect(await store.list('owners', 'z', 100)).toEqual([])
      })
    })

    describe('delete', () => {
      it('says whether something stood there', async () => {
        expect(await store.delete('owners', 'k')).toBe(false)
        await store.put('owners', 'k', 'one', later)
        expect(await store.delete('owners', 'k')).toBe(true)
        expect(await store.get('owners', 'k')).toBe(undefined)
        expect(await store.claim('owners', 'k', 'two', later)).toBe(undefined)
      })

      it('spares another value than the one expected', async () => {
        await store.put('owners', 'k', 'one', later)
        expect(await store.delete('owners', 'k', 'two')).toBe(false)
        expect(await store.get('owners', 'k')).toBe('one')
        expect(await store.delete('owners', 'k', 'one')).toBe(true)
      })

      it('does not count what has expired, and leaves nothing for a sweep', async () => {
        await store.put('owners', 'k', 'one', START + 10)
        await store.put('owners', 'gone', 'one', START + 10)
        expect(await store.delete('owners', 'gone')).toBe(true)
        time = START + 10
        expect(await store.delete('owners', 'k')).toBe(false)
        expect(await store.sweep()).toBe(1)
      })
    })

    describe('keys and values', () => {
      const oddKeys = ['\0', 'a\0b', 'a', ' ', '\u{1F600}', '\u{10FFFF}', 'x'.repeat(MAX_KEY_BYTES)]
      const oddValues = ['', '\0', '"\u{1F600}"', '\u{1F600}'.repeat(1000), 'v'.repeat(40_000)]

      it('come back as they went in', async () => {
        for (const key of oddKeys) await store.put('owners', key, `of ${key}`, later)
        expect(await store.getMany('owners', oddKeys)).toEqual(oddKeys.map((key) => `of ${key}`))
        for (const value of oddValues) {
          await store.put('owners', 'k', value, later)
          expect(await store.get('owners', 'k')).toBe(value)
        }
        expect(await store.claim('owners', 'k', 'w', later)).toBe(oddValues.at(-1))
      })

      it('a value may have 4 MiB', async () => {
        const value = '\u00FC'.repeat(MAX_VALUE_BYTES / 2)
        expect(await store.claim('idempotency', 'k', value, later)).toBe(undefined)
        expect((await store.get('idempotency', 'k')) === value).toBe(true)
        expect(await store.replace('idempotency', 'k', value, 'small', later)).toBe(true)
      })

      it('others are a fault of the programmer', async () => {
        const wrongKeys = ['', 'x'.repeat(MAX_KEY_BYTES + 1), '\u00FC'.repeat(600), 'a\uD800']
        for (const key of wrongKeys) {
          await expect(store.claim('owners', key, 'v', later)).rejects.toThrow(TypeError)
          await expect(store.put('owners', key, 'v', later)).rejects.toThrow(TypeError)
          await expect(store.replace('owners', key, 'v', 'w', later)).rejects.toThrow(TypeError)
          await expect(store.delete('owners', key)).rejects.toThrow(TypeError)
          await expect(store.get('owners', key)).rejects.toThrow(TypeError)
          await expect(store.getMany('owners', ['k', key])).rejects.toThrow(TypeError)
        }
        for (const value of ['\uDC00', 'v'.repeat(MAX_VALUE_BYTES + 1)]) {
          await expect(store.claim('owners', 'k', value, later)).rejects.toThrow(TypeError)
        }
        for (const expiry of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5]) {
          await expect(store.put('owners', 'k', 'v', expiry)).rejects.toThrow(TypeError)
        }
        await expect(store.list('owners', 'a\uD800', 1)).rejects.toThrow(TypeError)
        await expect(store.list('owners', 'a', 0)).rejects.toThrow(TypeError)
        expect(await store.list('owners', '', 10)).toEqual([])
      })
    })

    describe('sweep', () => {
      it('removes what has expired, of every space, and nothing else', async () => {
        const keys = Array.from({ length: 250 }, (_, index) => `k${index}`)
        await Promise.all(keys.map((key, index) => store.put('owners', key, 'v', START + 1 + (index % 2))))
        await store.put('idempotency', 'k', 'v', START + 1)
        await store.put('idempotency', 'stays', 'v', later)
        expect(await store.sweep()).toBe(0)
        time = START + 1
        expect(await store.sweep()).toBe(126)
        expect(await store.list('owners', '', 1000)).toHaveLength(125)
        time = START + 2
        expect(await store.sweep()).toBe(125)
        expect(await store.sweep()).toBe(0)
        expect(await store.get('idempotency', 'stays')).toBe('v')
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
          return time
        }
        const own = await open({ now, sweepIntervalMs: 5 })
        await own.put('owners', 'k', 'v', START + 1)
        time = START + 1
        asked = 0
        await withDeadline(swept, 'no sweep ran by itself')
        expect(await own.sweep()).toBe(0)
      })

      it('is joined by another while it runs', async () => {
        await store.put('owners', 'k', 'v', START + 1)
        time = START + 1
        expect(await Promise.all([store.sweep(), store.sweep()])).toEqual([1, 1])
      })
    })

    describe('a full store', () => {
      it('lets no more entries in than it may have', async () => {
        const small = await open({ maxEntries: 3 })
        const keys = Array.from({ length: 10 }, (_, index) => `k${index}`)
        const claims = await Promise.allSettled(keys.map((key) => small.claim('owners', key, 'v', later)))
        expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
        expect(await small.list('owners', '', 10)).toHaveLength(3)
        await expect(small.put('owners', 'one more', 'v', later)).rejects.toEqual(unavailable)
        await expect(small.probe()).rejects.toEqual(unavailable)
        expect(await small.claim('idempotency', 'k', 'v', later)).toBe(undefined)
      })

      it('goes on reading, replacing and deleting', async () => {
        const small = await open({ maxEntries: 2 })
        await small.put('owners', 'a', '1', later)
        await small.put('owners', 'b', '2', later)
        expect(await small.claim('owners', 'a', 'x', later)).toBe('1')
        expect(await small.getMany('owners', ['a', 'b'])).toEqual(['1', '2'])
        expect(await small.replace('owners', 'a', '1', '10', later)).toBe(true)
        await small.put('owners', 'b', '20', later)
        expect(await small.delete('owners', 'a')).toBe(true)
        expect(await small.claim('owners', 'c', '3', later)).toBe(undefined)
      })

      it('sweeps before it says no', async () => {
        const small = await open({ maxEntries: 2 })
        await small.put('owners', 'a', '1', START + 1)
        await small.put('owners', 'b', '2', later)
        time = START + 1
        expect(await small.claim('owners', 'c', '3', later)).toBe(undefined)
        expect(await small.list('owners', '', 10)).toHaveLength(2)
        await small.put('owners', 'b', '2', START + 2)
        time = START + 2
        await small.probe()
      })

      it('is bounded in bytes, and keeps some for what it has begun', async () => {
        const small = await open({ maxBytes: 1024 * 1024 })
        const value = 'v'.repeat(100_000)
        let held = 0
        const fill = async () => {
          for (; held < 100; held += 1) await small.claim('owners', `k${held}`, value, later)
        }
        await expect(fill()).rejects.toEqual(unavailable)
        expect(held).toBeGreaterThan(7)
        expect(held).toBeLessThan(11)
        expect(await small.get('owners', 'k0')).toBe(value)
        await expect(small.claim('idempotency', 'k', value, later)).rejects.toEqual(unavailable)
        expect(await small.replace('owners', 'k0', value, `${value}${value}`, later)).toBe(true)
        await expect(small.put('owners', 'k1', value.repeat(9), later)).rejects.toEqual(unavailable)
        for (let index = 0; index < held; index += 1) await small.delete('owners', `k${index}`)
        expect(await small.claim('idempotency', 'k', value, later)).toBe(undefined)
      })
    })

    describe('the end', () => {
      it('close waits for writes under way', async () => {
        const claims = Array.from({ length: 50 }, (_, index) =>
          store.claim('owners', `k${index}`, 'v', later),
        )
        await store.close()
        expect(await Promise.all(claims)).toEqual(new Array(50).fill(undefined))
      })

      it('close meets writes that have to start over', async () => {
        const puts = Array.from({ length: 50 }, () => store.put('owners', 'k', 'v', later))
        await store.close()
        const outcomes = await Promise.allSettled(puts)
        const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
        expect(refused.length).toBeLessThan(50)
        for (const reason of refused) expect(reason).toEqual(unavailable)
      })

      it('makes every later call store_unavailable', async () => {
        await store.put('owners', 'k', 'v', START + 1)
        await store.probe()
        await Promise.all([store.close(), store.close()])
        await store.close()
        for (const space of SPACES) {
          await expect(store.claim(space, 'k', 'v', later)).rejects.toEqual(unavailable)
          await expect(store.put(space, 'k', 'v', later)).rejects.toEqual(unavailable)
          await expect(store.replace(space, 'k', 'v', 'w', later)).rejects.toEqual(unavailable)
          await expect(store.delete(space, 'k')).rejects.toEqual(unavailable)
          await expect(store.get(space, 'k')).rejects.toEqual(unavailable)
          await expect(store.getMany(space, ['k'])).rejects.toEqual(unavailable)
          await expect(store.list(space, '', 1)).rejects.toEqual(unavailable)
        }
        await expect(store.sweep()).rejects.toEqual(unavailable)
        await expect(store.probe()).rejects.toEqual(unavailable)
      })

      it('meets whatever is called meanwhile', async () => {
        const closing = store.close()
        await expect(store.claim('owners', 'k', 'v', later)).rejects.toEqual(unavailable)
        await closing
      })
    })
  })
}

/** Waits for a promise, at most five seconds. */
export async function withDeadline<T>(promise: Promise<T>, message: string, ms = 5000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms)
  })
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer))
}
