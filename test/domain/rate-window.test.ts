import { expect, test } from 'vitest'
import { RateWindow } from '../../src/domain/rate-window.ts'

const START = 1_700_000_000_000

test('no period of 59 seconds exceeds the limit', () => {
  const window = new RateWindow()
  const allowed: number[] = []
  for (let ms = 0; ms < 300_000; ms += 100) if (window.take(30, START + ms)) allowed.push(ms)
  for (const begin of allowed) {
    const inMinute = allowed.filter((ms) => ms >= begin && ms < begin + 59_000)
    expect(inMinute.length).toBeLessThanOrEqual(30)
  }
  // Five minutes of more than was allowed: nearly five times thirty came through.
  expect(allowed.length).toBeGreaterThanOrEqual(5 * 30)
})

test('resetSeconds is the time until more is allowed', () => {
  const window = new RateWindow()
  expect(window.quota(2, START)).toEqual({ limit: 2, remaining: 2, resetSeconds: 60 })
  expect(window.take(2, START + 500)).toBe(true)
  expect(window.take(2, START + 20_000)).toBe(true)
  expect(window.take(2, START + 20_000)).toBe(false)
  expect(window.quota(2, START + 20_000)).toEqual({ limit: 2, remaining: 0, resetSeconds: 40 })
  expect(window.take(2, START + 59_999)).toBe(false)
  expect(window.take(2, START + 60_000)).toBe(true)
  expect(window.take(2, START + 60_000)).toBe(false)
})

test('refused requests do not count, and a minute of rest clears the window', () => {
  const window = new RateWindow()
  for (let at = 0; at < 100; at++) window.take(1, START)
  expect(window.quota(1, START + 60_000)).toMatchObject({ remaining: 1 })
  expect(window.take(1, START + 10 * 60_000)).toBe(true)
})

test('a lowered limit applies to what was counted before', () => {
  const window = new RateWindow()
  for (let second = 0; second < 5; second++) window.take(10, START + second * 1000)
  expect(window.take(2, START + 5_000)).toBe(false)
  // Four of the five must go before there is room for a second: the fourth goes after 63 s.
  expect(window.quota(2, START + 5_000)).toEqual({ limit: 2, remaining: 0, resetSeconds: 58 })
  expect(window.take(2, START + 62_000)).toBe(false)
  expect(window.take(2, START + 63_000)).toBe(true)
})

test('a clock that goes back neither exceeds the limit nor blocks for good', () => {
  const window = new RateWindow()
  expect(window.take(1, START)).toBe(true)
  expect(window.take(1, START - 3_600_000)).toBe(false)
  expect(window.take(1, START + 60_000)).toBe(true)
})
