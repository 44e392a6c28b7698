import { expect, test } from 'vitest'
import { Breaker } from '../../src/domain/breaker.ts'

function fail(breaker: Breaker, times: number, nowMs = 0): Breaker {
  for (let failure = 0; failure < times; failure++) breaker.noteFailure(nowMs, 0)
  return breaker
}

test('nine failures in a row leave it closed, the tenth opens it', () => {
  expect(fail(new Breaker(), 9).request(0)).toBe(0)
  expect(fail(new Breaker(), 10).request(0)).toBe(1_000)
})

test('an answer in between starts the count again', () => {
  const breaker = fail(new Breaker(), 9)
  breaker.noteAnswer()
  expect(fail(breaker, 9).waitMs(0)).toBe(0)
  expect(fail(breaker, 1).waitMs(0)).toBe(1_000)
})

test('after its time one probe goes, and nothing else until the outcome of the probe is known', () => {
  const breaker = fail(new Breaker(), 10)
  expect(breaker.request(999)).toBe(1)
  // Asking how long changes nothing: the probe still goes.
  expect(breaker.waitMs(1_000)).toBe(0)
  expect(breaker.request(1_000)).toBe(0)
  expect(breaker.request(1_001)).toBeGreaterThan(0)
  breaker.noteAnswer()
  expect(breaker.request(1_001)).toBe(0)
})

test('each probe that fails doubles the time, up to 15 s; a probe without an outcome is given up', () => {
  const breaker = fail(new Breaker(), 10)
  let nowMs = 0
  const waits: number[] = []
  for (let probe = 0; probe < 6; probe++) {
    waits.push(breaker.waitMs(nowMs))
    nowMs += breaker.waitMs(nowMs)
    expect(breaker.request(nowMs)).toBe(0)
    breaker.noteFailure(nowMs, 0)
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  expect(breaker.request(nowMs + 15_000)).toBe(0)
  expect(breaker.waitMs(nowMs + 15_000 + 59_999)).toBeGreaterThan(0)
  expect(breaker.request(nowMs + 15_000 + 60_000)).toBe(0)
})

test('failures of calls that were under way when it opened change nothing', () => {
  const breaker = fail(new Breaker(), 10)
  fail(breaker, 3, 500)
  expect(breaker.waitMs(500)).toBe(500)
})
