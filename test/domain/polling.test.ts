import { describe, expect, test } from 'vitest'
import { adviseRetrySeconds, nextPollDelayMs } from '../../src/domain/polling.ts'

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
