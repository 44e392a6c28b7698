import { describe, expect, test } from 'vitest'
import { parseRetryAfterMs, retryPauseMs, toRetryAfterSeconds } from '../../src/domain/retry.ts'

test('a pause grows, is jittered, and is bounded whatever was asked for', () => {
  expect(retryPauseMs(1, undefined, 0)).toBe(200)
  expect(retryPauseMs(1, undefined, 1)).toBe(400)
  expect(retryPauseMs(2, undefined, 1)).toBe(800)
  expect(retryPauseMs(1, 2_000, 1)).toBe(2_000)
  expect(retryPauseMs(1, 1e12, 1)).toBe(10_000)
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

test.each([
  [undefined, 5],
  [0, 1],
  [1, 1],
  [1_001, 2],
])('upstream asked for %s ms: a caller is told %i s', (askedMs, seconds) => {
  expect(toRetryAfterSeconds(askedMs)).toBe(seconds)
})
