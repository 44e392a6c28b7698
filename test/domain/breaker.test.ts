import { expect, test } from 'vitest'
import {
  admitCall,
  type BreakerState,
  CLOSED,
  noteAnswer,
  noteFailure,
  waitOf,
} from '../../src/domain/breaker.ts'

function fail(state: BreakerState, times: number, nowMs: number): BreakerState {
  let next = state
  for (let failure = 0; failure < times; failure++) next = noteFailure(next, nowMs, 0)
  return next
}

test('nine failures in a row leave it closed, the tenth opens it', () => {
  expect(waitOf(fail(CLOSED, 9, 0), 0)).toBe(0)
  expect(waitOf(fail(CLOSED, 10, 0), 0)).toBe(1_000)
})

test('an answer in between begins the count anew', () => {
  const state = fail(noteAnswer(), 4, 0)
  expect(fail(state, 0, 0)).toEqual({ kind: 'closed', failures: 4 })
  expect(noteAnswer()).toEqual(CLOSED)
})

test('after its time one probe goes, and nothing else until the probe has said something', () => {
  const open = fail(CLOSED, 10, 0)
  expect(admitCall(open, 999).waitMs).toBe(1)
  const { state: probing, waitMs } = admitCall(open, 1_000)
  expect(waitMs).toBe(0)
  expect(admitCall(probing, 1_001).waitMs).toBeGreaterThan(0)
  expect(waitOf(noteAnswer(), 1_001)).toBe(0)
})

test('each probe that fails doubles the time, up to 15 s; a probe that says nothing is given up on', () => {
  let state = fail(CLOSED, 10, 0)
  let nowMs = 0
  const waits: number[] = []
  for (let probe = 0; probe < 6; probe++) {
    waits.push(waitOf(state, nowMs))
    nowMs += waitOf(state, nowMs)
    state = noteFailure(admitCall(state, nowMs).state, nowMs, 0)
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  const { state: probing } = admitCall(state, nowMs + 15_000)
  expect(waitOf(probing, nowMs + 15_000 + 60_000)).toBe(0)
})

test('failures of calls that were under way when it opened change nothing', () => {
  const open = fail(CLOSED, 10, 0)
  expect(noteFailure(open, 500, 0)).toBe(open)
})
