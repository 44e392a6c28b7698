import { describe, expect, test } from 'vitest'
import { adviseRetrySeconds, nextPollDelayMs, parseRetryAfterMs } from '../../src/domain/polling.ts'

describe('the next poll', () => {
  test.each([
    [0, 200],
    [1_000, 200],
    [5_000, 500],
    [20_000, 2_000],
    [30_000, 3_000],
    [1e9, 3_000],
    [-5_000, 200],
  ])('at an age of %i ms is after about %i ms', (age, wait) => {
    expect(nextPollDelayMs(age, 0.5)).toBeCloseTo(wait)
    expect(nextPollDelayMs(age, 0)).toBeCloseTo(wait * 0.9)
    expect(nextPollDelayMs(age, 1)).toBeCloseTo(wait * 1.1)
  })

  test.each([
    [0, 1],
    [10_000, 1],
    [20_000, 2],
    [1e6, 3],
  ])('a caller is advised at %i ms to wait %i s', (age, seconds) => {
    expect(adviseRetrySeconds(age)).toBe(seconds)
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['0', 0],
    [' 7 ', 7_000],
    ['60', 60_000],
    ['61', 60_000],
    ['1000000000000', 60_000],
    ['9'.repeat(400), 60_000],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['soon', undefined],
    ['GMT', undefined],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Wed, 31 Dec 2025 23:59:50 GMT', 0],
    ['Fri, 01 Jan 2066 00:00:00 GMT', 60_000],
    ['2026-01-01T00:00:10Z', undefined],
  ])('%s is %s ms', (header, ms) => {
    expect(parseRetryAfterMs(header, now)).toBe(ms)
  })
})
