import { expect, test } from 'vitest'
import { DueQueue } from '../../src/domain/due-queue.ts'
import { createRandom } from '../support/seeded-random.ts'

test('gives what is due first, each once', () => {
  const queue = new DueQueue<string>()
  for (const [item, due] of [
    ['c', 3],
    ['a', 1],
    ['b', 2],
    ['a', 4],
  ] as const)
    queue.push(item, due)
  expect(queue.peekDueMs()).toBe(2)
  queue.remove('not in it')
  expect([queue.pop(), queue.pop(), queue.pop(), queue.pop()]).toEqual(['b', 'c', 'a', undefined])
  expect(queue.peekDueMs()).toBeUndefined()
})

test.each([1, 2, 3, 4, 5])(
  'agrees with sorting, whatever is pushed, moved and taken out (seed %i)',
  (seed) => {
    const random = createRandom(seed)
    const queue = new DueQueue<number>()
    const expected = new Map<number, number>()
    const inOrder = () => [...expected].sort((a, b) => a[1] - b[1])
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
        const first = inOrder()[0]?.[0]
        expect(queue.pop()).toBe(first)
        if (first !== undefined) expected.delete(first)
      }
      expect(queue.peekDueMs()).toBe(inOrder()[0]?.[1])
    }
    const rest: (number | undefined)[] = []
    while (queue.peekDueMs() !== undefined) rest.push(queue.pop())
    expect(rest).toEqual(inOrder().map(([item]) => item))
  },
)
