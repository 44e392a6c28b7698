import { describe, expect, test } from 'vitest'
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

test('each probe that fails doubles the time, up to 4 s; a probe without an outcome is given up', () => {
  const breaker = fail(new Breaker(), 10)
  let nowMs = 0
  const waits: number[] = []
  for (let probe = 0; probe < 5; probe++) {
    waits.push(breaker.waitMs(nowMs))
    nowMs += breaker.waitMs(nowMs)
    expect(breaker.request(nowMs)).toBe(0)
    breaker.noteFailure(nowMs, 0)
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 4_000, 4_000])
  expect(breaker.request(nowMs + 4_000)).toBe(0)
  expect(breaker.waitMs(nowMs + 4_000 + 3_999)).toBeGreaterThan(0)
  expect(breaker.request(nowMs + 4_000 + 4_000)).toBe(0)
})

/** Upstream is down until then: a call fails after `failsAfterMs`, one made later is answered at once. */
function recoveryMs(outageMs: number, failsAfterMs: number, random: number): number {
  const breaker = new Breaker()
  const failuresAtMs: number[] = []
  let retryAtMs = 0
  for (let nowMs = 0; nowMs <= outageMs + 60_000; nowMs += 100) {
    while ((failuresAtMs[0] ?? Number.POSITIVE_INFINITY) <= nowMs) {
      failuresAtMs.shift()
      breaker.noteFailure(nowMs, random)
    }
    // Callers do what Retry-After says, in whole seconds.
    if (nowMs < retryAtMs) continue
    const waitMs = breaker.request(nowMs)
    if (waitMs > 0) retryAtMs = nowMs + Math.ceil(waitMs / 1000) * 1000
    else if (nowMs < outageMs) failuresAtMs.push(nowMs + failsAfterMs)
    else return nowMs - outageMs
  }
  return Number.POSITIVE_INFINITY
}

describe.each([
  ['refuses', 0],
  ['is slow to fail', 5_000],
  ['hangs', 60_000],
])('after an upstream that %s, calls go through within 10 s', (_what, failsAfterMs) => {
  test.each([0, 0.5, 1])('whatever the jitter (%s) and however long it was', (random) => {
    // From half a minute to some four minutes, in steps that fall everywhere in the breaker's own times.
    const outagesMs = Array.from({ length: 300 }, (_, step) => 30_000 + step * 700)
    const slowest = Math.max(...outagesMs.map((outageMs) => recoveryMs(outageMs, failsAfterMs, random)))
    expect(slowest).toBeLessThanOrEqual(10_000)
  })
})

test('failures of calls that were under way when it opened change nothing', () => {
  const breaker = fail(new Breaker(), 10)
  fail(breaker, 3, 500)
  expect(breaker.waitMs(500)).toBe(500)
})
