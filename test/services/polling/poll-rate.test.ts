import { describe, expect, test } from 'vitest'
import { createRandom } from '../../support/seeded-random.ts'
import { PlanFixture, START_MS } from './plan-fixture.ts'

type Load = { count: number; rate: number; list: 'empty' | 'right' }

/**
 * Ten seconds in which every request takes 5 ms and no task ends: the list shows none of them, or all. Time
 * passes from one event to the next. Gives when requests were made, and when each task was polled by id.
 */
function simulate(seed: number, { count, rate, list }: Load) {
  const fixture = new PlanFixture(rate, createRandom(seed))
  const tasks = fixture.add(count, true)
  const requests: number[] = []
  const polls = new Map(tasks.map((task) => [task, [0]]))
  const underWay: { endsAtMs: number; end: (atMs: number) => void }[] = []
  for (
    let atMs = 0;
    atMs < 10_000;
    atMs = Math.min(fixture.wakeAtMs(atMs), underWay[0]?.endsAtMs ?? 10_000)
  ) {
    while (underWay[0] !== undefined && underWay[0].endsAtMs <= atMs) underWay.shift()?.end(atMs)
    const next = () => fixture.plan.next(START_MS + atMs)
    for (let step = next(); step !== undefined; step = next()) {
      requests.push(atMs)
      const task = step.kind === 'task' ? step.task : undefined
      if (task !== undefined) polls.get(task)?.push(atMs)
      const end = (endMs: number) => {
        if (task !== undefined) fixture.polled(task, endMs)
        else fixture.showed(list === 'right' ? tasks : [], false, endMs)
      }
      underWay.push({ endsAtMs: atMs + 5, end })
    }
  }
  return { requests, polls: [...polls.values()] }
}

describe.each([1, 2, 3, 4, 5])('in ten seconds (seed %i)', (seed) => {
  test.each([
    ['few tasks', 15, 20],
    ['many tasks', 100, 20],
    ['very many tasks', 1_000, 50],
  ] as const)('%s: no second has more requests than the rate', (_what, count, rate) => {
    const { requests } = simulate(seed, { count, rate, list: 'empty' })
    const inSecondFrom = (from: number) => requests.filter((at) => at >= from && at < from + 1_000).length
    // What was saved up before, a tenth of a second's worth, may come on top.
    expect(Math.max(...requests.map(inSecondFrom))).toBeLessThanOrEqual(rate * 1.1 + 1)
    // The rate is used, too.
    expect(requests.length).toBeGreaterThan(rate * 9)
  })

  test('every task is polled by id now and then, though the list shows it', () => {
    const { requests, polls } = simulate(seed, { count: 100, rate: 1_000, list: 'right' })
    const gaps = polls.flatMap((times) => times.slice(1).map((at, index) => at - (times[index] ?? 0)))
    // After ten seconds the interval is a second; a check comes after two and a half, jittered.
    expect(Math.max(...gaps)).toBeLessThan(2.5 * 1_100 + 100)
    expect(Math.min(...polls.map((times) => times.length))).toBeGreaterThan(4)
    expect(requests.length).toBeLessThan(100 * 20)
  })
})
