import { expect, test } from 'vitest'
import { PollBudget } from '../../../src/services/polling/poll-budget.ts'

test('a clock that is set back by an hour does not stop the polling', () => {
  const budget = new PollBudget(10, 7_200_000, () => 0)
  expect(budget.take(7_200_000)).toBe(true)
  const setBackMs = 3_600_000
  expect(budget.readyAtMs(setBackMs)).toBeLessThanOrEqual(setBackMs + 100)
})
