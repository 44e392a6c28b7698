import { expect, test } from 'vitest'
import { createMemoryBudget } from '../../../src/services/files/memory-budget.ts'
import type { Reservation } from '../../../src/services/files/reservation.ts'

const KIB = 1024
const MIB = 1024 * KIB
const STEP = 256 * KIB

function holderOf(callerID: string, signal = new AbortController().signal, hasPartsUnderWay = () => false) {
  return { callerID, signal, hasPartsUnderWay }
}

/** 8 MiB: 4 open (2 for a caller), 1 for reading ahead, 3 for parts. */
const budgetOf = (maxWaitMs = 1_000) => createMemoryBudget({ limitBytes: 8 * MIB, maxWaitMs })

async function grown(reservation: Reservation, bytes: number): Promise<Reservation> {
  await reservation.growTo(bytes)
  return reservation
}

test('memory is reserved as bytes come, in steps, and comes back in full', () => {
  const budget = budgetOf()
  const part = budget.begin(holderOf('app'), 'part', 2 * MIB)
  expect(budget.held).toBe(0)
  expect([part.growTo(1), budget.held]).toEqual([undefined, STEP])
  expect([part.growTo(STEP), budget.held]).toEqual([undefined, STEP])
  expect([part.growTo(STEP + 1), budget.held]).toEqual([undefined, 2 * STEP])
  part.release()
  part.release()
  expect(budget.held).toBe(0)
  // No more than the most that will be needed.
  const small = budget.begin(holderOf('app'), 'part', 10)
  expect([small.growTo(5), budget.held]).toEqual([undefined, 10])
  small.shrinkTo(0)
  expect(budget.held).toBe(0)
})

test('one caller can not take all of it', async () => {
  const budget = budgetOf(50)
  const mine = await Promise.all(
    Array.from({ length: 4 }, () => grown(budget.begin(holderOf('app'), 'part', MIB), MIB)),
  )
  expect(budget.held).toBe(4 * MIB)
  await expect(budget.begin(holderOf('app'), 'part', MIB).growTo(1)).rejects.toMatchObject({
    failure: { code: 'overloaded' },
  })
  expect(budget.begin(holderOf('other'), 'part', MIB).growTo(MIB)).toBeUndefined()
  for (const part of mine) part.release()
})

test('uploads that all stand in the middle of a part end one after the other', async () => {
  const budget = budgetOf(5_000)
  const order: number[] = []
  const uploads = Array.from({ length: 8 }, async (_, number) => {
    const part = budget.begin(holderOf(`caller-${number % 4}`), 'part', 2 * MIB)
    for (let bytes = STEP; bytes <= 2 * MIB; bytes += STEP) {
      await part.growTo(bytes)
      await new Promise((resolve) => setImmediate(resolve))
    }
    order.push(number)
    part.release()
  })
  await Promise.all(uploads)
  expect(order).toHaveLength(8)
  expect(budget.held).toBe(0)
})

test('those that read ahead all end, and get memory for their parts', async () => {
  const budget = budgetOf(5_000)
  const uploads = Array.from({ length: 12 }, async (_, number) => {
    const holder = holderOf(`caller-${number % 3}`)
    const ahead = budget.begin(holder, 'readAhead', MIB)
    for (let bytes = STEP; bytes <= MIB; bytes += STEP) {
      await ahead.growTo(bytes)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const part = budget.begin(holder, 'part', 3 * MIB)
    part.takeFrom(ahead, 3 * MIB)
    await part.growTo(3 * MIB)
    part.release()
    ahead.release()
  })
  await Promise.all(uploads)
  expect(budget.held).toBe(0)
})

test('one that gives up waiting is not in the way of the next', async () => {
  const budget = budgetOf(5_000)
  const full = await Promise.all(
    ['a', 'b'].map((id) => grown(budget.begin(holderOf(id), 'part', 2 * MIB), 2 * MIB)),
  )
  const kept = await grown(budget.begin(holderOf('c'), 'part', 2 * MIB), 1)
  const abort = new AbortController()
  const large = budget.begin(holderOf('d', abort.signal), 'part', 2 * MIB).growTo(1)
  const small = budget.begin(holderOf('e'), 'part', MIB)
  const waiting = small.growTo(1)
  expect(waiting).toBeInstanceOf(Promise)
  abort.abort()
  await expect(large).rejects.toMatchObject({ name: 'UploadAborted' })
  await waiting
  for (const one of [...full, kept, small]) one.release()
  expect(budget.held).toBe(0)
})

test('one whose own parts are under way waits for them, however long they take', async () => {
  const budget = budgetOf(20)
  const held = await Promise.all(
    Array.from({ length: 4 }, () => grown(budget.begin(holderOf('app'), 'part', MIB), MIB)),
  )
  const next = budget.begin(
    holderOf('app', undefined, () => true),
    'part',
    MIB,
  )
  const waiting = next.growTo(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  held[0]?.release()
  await waiting
  for (const one of [...held, next]) one.release()
  expect(budget.held).toBe(0)
})

test('more than there is at all is as much as there is', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  const all = await grown(budget.begin(holderOf('app'), 'part', 100), 100)
  expect(budget.held).toBeLessThanOrEqual(10)
  expect(budget.begin(holderOf('app'), 'part', 0).growTo(0)).toBeUndefined()
  all.release()
  expect(budget.held).toBe(0)
})

test('memory that is passed on is given back once, by who has it', async () => {
  const budget = budgetOf()
  const holder = holderOf('app')
  const ahead = await grown(budget.begin(holder, 'readAhead', MIB), MIB)
  const [some, rest] = [budget.begin(holder, 'part', MIB), budget.begin(holder, 'part', MIB)]
  some.takeFrom(ahead, STEP)
  rest.takeFrom(ahead, 8 * MIB)
  expect([some.bytes, rest.bytes, ahead.bytes]).toEqual([STEP, 3 * STEP, 0])
  ahead.release()
  expect(budget.held).toBe(MIB)
  rest.release()
  expect(budget.held).toBe(STEP)
  some.release()
  expect(budget.held).toBe(0)
})

test('nothing is reserved for an upload that was aborted before', async () => {
  const budget = budgetOf()
  const aborted = budget.begin(holderOf('app', AbortSignal.abort()), 'part', 1)
  await expect(aborted.growTo(1)).rejects.toMatchObject({ name: 'UploadAborted' })
  expect(budget.held).toBe(0)
})
