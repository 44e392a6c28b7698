import { expect, test } from 'vitest'
import { DueQueue } from '../../src/domain/due-queue.ts'

test('10,000 random steps leave it as a sorted list would be', () => {
  const queue = new DueQueue<number>()
  const plain = new Map<number, number>()
  for (let step = 0; step < 10_000; step++) {
    const item = Math.floor(Math.random() * 200)
    const choice = Math.random()
    if (choice < 0.5) {
      const dueMs = Math.floor(Math.random() * 1_000)
      queue.push(item, dueMs)
      plain.set(item, dueMs)
    } else if (choice < 0.75) {
      queue.remove(item)
      plain.delete(item)
    } else {
      const firstMs = plain.size === 0 ? undefined : Math.min(...plain.values())
      expect(queue.peekDueMs()).toBe(firstMs)
      const popped = queue.pop()
      if (firstMs === undefined) expect(popped).toBeUndefined()
      else expect(plain.get(popped ?? -1)).toBe(firstMs)
      plain.delete(popped ?? -1)
    }
    expect(queue.size).toBe(plain.size)
  }
})
