import { expect, test } from 'vitest'
import { MinimumRate } from '../../src/domain/minimum-rate.ts'

const FLOOR = { windowMs: 1_000, bytesPerMs: 8 }

test('too little in a window is too slow, and no sooner', () => {
  const rate = new MinimumRate(FLOOR)
  rate.wait(0)
  rate.add(7_999)
  expect([rate.isTooSlow(999), rate.leftMs(999)]).toEqual([false, 1])
  expect(rate.isTooSlow(1_000)).toBe(true)
})

test('enough in one window does not help in the next', () => {
  const rate = new MinimumRate(FLOOR)
  rate.wait(0)
  rate.add(1_000_000)
  expect(rate.isTooSlow(1_000)).toBe(false)
  expect([rate.isTooSlow(1_999), rate.isTooSlow(2_000)]).toEqual([false, true])
})

test('time in which nothing was waited for does not count, and what came in it does', () => {
  const rate = new MinimumRate(FLOOR)
  rate.wait(0)
  rate.rest(500)
  rate.add(8_000)
  expect(rate.isTooSlow(100_000)).toBe(false)
  rate.wait(100_000)
  expect(rate.leftMs(100_000)).toBe(500)
  expect(rate.isTooSlow(100_500)).toBe(false)
})

test('many short waits are as long as one', () => {
  const rate = new MinimumRate(FLOOR)
  for (let at = 0; at < 2_000; at += 2) {
    rate.wait(at)
    rate.add(1)
    rate.rest(at + 1)
  }
  expect(rate.isTooSlow(2_000)).toBe(true)
})
