import { expect, test } from 'vitest'
import { retryPauseMs } from '../../src/domain/retry.ts'

test('a pause grows, is jittered, and is bounded whatever was asked for', () => {
  expect(retryPauseMs(1, undefined, 0)).toBe(200)
  expect(retryPauseMs(1, undefined, 1)).toBe(400)
  expect(retryPauseMs(2, undefined, 1)).toBe(800)
  expect(retryPauseMs(1, 2_000, 1)).toBe(2_000)
  expect(retryPauseMs(1, 1e12, 1)).toBe(10_000)
})
