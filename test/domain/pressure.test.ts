import { expect, test } from 'vitest'
import { NO_PRESSURE, nextPressure, type PressureSample } from '../../src/domain/pressure.ts'

const WELL: PressureSample = { loopDelayMs: 5, heapShare: 0.3, freeDescriptors: 1_000 }

/** What is short after these samples, one after the other. */
function after(...samples: Partial<PressureSample>[]) {
  let state = NO_PRESSURE
  for (const sample of samples) state = nextPressure(state, { ...WELL, ...sample })
  return state.causes
}
const times = (count: number, sample: Partial<PressureSample>) => Array.from({ length: count }, () => sample)

test.each([
  ['event loop', { loopDelayMs: 900 }],
  ['heap', { heapShare: 0.9 }],
  ['descriptors', { freeDescriptors: 10 }],
] as const)('%s: three samples in a row begin it, three good ones end it', (cause, bad) => {
  expect(after(...times(2, bad))).toEqual([])
  expect(after(...times(2, bad), {}, ...times(2, bad))).toEqual([])
  expect(after(...times(3, bad))).toEqual([cause])
  expect(after(...times(3, bad), {}, {}, bad, {}, {})).toEqual([cause])
  expect(after(...times(3, bad), {}, {}, {})).toEqual([])
})

test('between the bounds everything stays as it is', () => {
  const between = { loopDelayMs: 300, heapShare: 0.8, freeDescriptors: 30 }
  expect(after(...times(20, between))).toEqual([])
  expect(after(...times(3, { loopDelayMs: 900 }), ...times(20, between))).not.toEqual([])
})

test('one pause of the machine, however long, is not load', () => {
  expect(after({ loopDelayMs: 60_000 }, {})).toEqual([])
})

test('what can not be known is not short', () => {
  expect(after(...times(9, { freeDescriptors: Number.POSITIVE_INFINITY }))).toEqual([])
})
