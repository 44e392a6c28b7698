import { describe, expect, test } from 'vitest'
import { chooseWait, parsePrefer, parseWaitSeconds } from '../../src/domain/wait.ts'

test.each([
  [undefined, false, undefined],
  ['', false, undefined],
  ['respond-async', true, undefined],
  ['Respond-Async', true, undefined],
  ['wait=5', false, 5],
  ['wait = 5', false, 5],
  ['Wait="5"', false, 5],
  ['wait=0', false, 0],
  ['respond-async, wait=5', true, 5],
  ['wait=5;foo=bar, respond-async;x', true, 5],
  ['wait=5, wait=9', false, 5],
  ['wait=x, wait=9', false, 9],
  ['wait=-5', false, undefined],
  ['wait=5.5', false, undefined],
  ['wait=1e3', false, undefined],
  ['wait=5=6', false, undefined],
  ['wait', false, undefined],
  ['waiting=5', false, undefined],
  ['respond-async=1', false, undefined],
  [`wait=${'9'.repeat(16)}`, false, undefined],
])('Prefer: %s', (header, respondAsync, waitSeconds) => {
  expect(parsePrefer(header)).toEqual({ respondAsync, waitSeconds })
})

test.each([
  ['0', 0],
  ['30', 30],
  ['0.5', 0.5],
  ['1e9', 1e9],
  ['1E2', 100],
  ['007', 7],
  ['-1', undefined],
  ['+1', undefined],
  ['', undefined],
  [' 1', undefined],
  ['1s', undefined],
  ['.5', undefined],
  ['5.', undefined],
  ['1e-3', undefined],
  ['1e999', undefined],
  ['NaN', undefined],
  ['Infinity', undefined],
  ['0x1', undefined],
  ['1_000', undefined],
])('?wait=%s', (text, seconds) => {
  expect(parseWaitSeconds(text)).toBe(seconds)
})

describe('the wait to use', () => {
  const limits = { defaultMs: 50_000, maxMs: 600_000 }
  test.each([
    [undefined, undefined, 50_000, false],
    [5, undefined, 5_000, true],
    [undefined, 7, 7_000, true],
    [5, 7, 5_000, true],
    [0, undefined, 0, true],
    [1e9, undefined, 600_000, true],
    [1e99, undefined, 600_000, true],
    [0.25, undefined, 250, true],
  ])('of ?wait=%s and Prefer: wait=%s is %i ms', (query, prefer, ms, asked) => {
    expect(chooseWait(query, prefer, limits)).toEqual({ ms, asked })
  })

  test('is never longer than the longest, not even by default', () => {
    expect(chooseWait(undefined, undefined, { defaultMs: 50_000, maxMs: 1_000 }).ms).toBe(1_000)
  })
})
