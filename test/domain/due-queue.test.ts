import { expect, test } from 'vitest'
import { DueQueue } from '../../src/domain/due-queue.ts'

/** A small generator, so that a failure can be repeated. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('gives what is due first, each once', () => {
  const queue = new DueQueue<string>()
  for (const [item, due] of [
    ['c', 3],
    ['a', 1],
    ['b', 2],
    ['a', 4],
  ] as const)
    queue.push(item, due)
  expect([queue.size, queue.peekDueMs()]).toEqual([3, 2])
  queue.remove('nobody')
  expect([queue.pop(), queue.pop(), queue.pop(), queue.pop()]).toEqual(['b', 'c', 'a', undefined])
  expect([queue.size, queue.peekDueMs()]).toEqual([0, undefined])
})

test.each([1, 2, 3, 4, 5])(
  'agrees with sorting, whatever is pushed, moved and taken out (seed %i)',
  (seed) => {
    const random = createRandom(seed)
    const queue = new DueQueue<number>()
    const expected = new Map<number, number>()
    for (let step = 0; step < 5_000; step++) {
      const item = Math.floor(random() * 200)
      if (random() < 0.6) {
        const due = Math.floor(random() * 1_000) + item / 1_000
        queue.push(item, due)
        expected.set(item, due)
      } else if (random() < 0.5) {
        queue.remove(item)
        expected.delete(item)
      } else {
        const first = [...expected].sort((a, b) => a[1] - b[1])[0]?.[0]
        expect(queue.pop()).toBe(first)
        if (first !== undefined) expected.delete(first)
      }
      expect(queue.size).toBe(expected.size)
    }
    const order: (number | undefined)[] = []
    while (queue.size > 0) order.push(queue.pop())
    expect(order).toEqual([...expected].sort((a, b) => a[1] - b[1]).map(([item]) => item))
  },
)
