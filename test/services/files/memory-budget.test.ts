import { expect, test } from 'vitest'
import { createMemoryBudget } from '../../../src/services/files/memory-budget.ts'

const never = new AbortController().signal

test('room goes to the first that asked, and comes back in full', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 1_000 })
  const first = await budget.reserve(6, never)
  const order: string[] = []
  const reserve = async (name: string, bytes: number) => {
    const reservation = await budget.reserve(bytes, never)
    order.push(name)
    return reservation
  }
  const large = reserve('large', 8)
  const small = reserve('small', 2)
  const part = first.split(1)
  part.release()
  part.release()
  expect(budget.held).toBe(5)
  await Promise.resolve()
  expect(order).toEqual([])
  first.release()
  const reservations = await Promise.all([large, small])
  expect(order).toEqual(['large', 'small'])
  for (const reservation of reservations) reservation.release()
  expect(budget.held).toBe(0)
})

test('one that gives up waiting is not in the way of the next', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  const first = await budget.reserve(6, never)
  const abort = new AbortController()
  const large = budget.reserve(8, abort.signal)
  const small = budget.reserve(4, never)
  abort.abort()
  await expect(large).rejects.toMatchObject({ name: 'UploadAborted' })
  const second = await small
  await expect(budget.reserve(1, never)).rejects.toMatchObject({ failure: { code: 'overloaded' } })
  first.release()
  second.release()
  expect(budget.held).toBe(0)
})

test('more than there is at all is as much as there is', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  const all = await budget.reserve(100, never)
  expect([all.bytes, budget.held]).toEqual([10, 10])
  // Nothing needs no room.
  expect((await budget.reserve(0, never)).bytes).toBe(0)
  all.release()
  expect(budget.held).toBe(0)
})

test('a split moves bytes, and no more than there are', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  const whole = await budget.reserve(10, never)
  const [some, rest] = [whole.split(4), whole.split(100)]
  expect([some.bytes, rest.bytes, whole.bytes]).toEqual([4, 6, 0])
  whole.release()
  expect(budget.held).toBe(10)
  rest.release()
  expect(budget.held).toBe(4)
  some.release()
  expect(budget.held).toBe(0)
})

test('nothing is reserved for an upload that was aborted before', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  await expect(budget.reserve(1, AbortSignal.abort())).rejects.toMatchObject({ name: 'UploadAborted' })
  expect(budget.held).toBe(0)
})
