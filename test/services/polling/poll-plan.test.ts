import { describe, expect, test } from 'vitest'
import { ids, PlanFixture, START_MS } from './plan-fixture.ts'

type Row = {
  when: string
  given: (fixture: PlanFixture) => void
  atMs: number
  requests: string[]
  wakeAtMs: number
}

const ROWS: Row[] = [
  {
    when: 'there are no tasks, nothing is asked, ever',
    given: () => {},
    atMs: 0,
    requests: [],
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: 'a task is new, it is not polled before the shortest interval is over',
    given: (fixture) => fixture.add(1, true),
    atMs: 199,
    requests: [],
    wakeAtMs: 200,
  },
  {
    when: 'a task is new, it is polled after the shortest interval',
    given: (fixture) => fixture.add(1, true),
    atMs: 200,
    requests: ['t0'],
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: 'a task is not new, it is polled at once',
    given: (fixture) => fixture.add(1, false),
    atMs: 0,
    requests: ['t0'],
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: '20 tasks are due, each is polled by id',
    given: (fixture) => fixture.add(20, true),
    atMs: 200,
    requests: ids(20),
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: '21 tasks are due, one page of the list is read, and a check is next',
    given: (fixture) => fixture.add(21, true),
    atMs: 200,
    requests: ['page first'],
    wakeAtMs: 500,
  },
  {
    when: '21 tasks are due and the list has just failed, each is polled by id',
    given: (fixture) => {
      fixture.add(21, true)
      fixture.plan.failPage(START_MS)
    },
    atMs: 200,
    requests: ids(21),
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: '21 tasks wait for their poll by id, the list is read in turn with that',
    given: (fixture) => {
      fixture.add(21, false)
      for (let taken = 0; taken < 98; taken++) fixture.budget.take(START_MS)
    },
    atMs: 0,
    requests: ['t0', 'page first'],
    wakeAtMs: 1,
  },
  {
    when: 'a page under way shows nothing for long, checks by id go on',
    given: (fixture) => {
      fixture.add(21, true)
      fixture.requests(200)
    },
    atMs: 500,
    requests: ids(21),
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: 'the budget is used up, the rest waits for more of it',
    given: (fixture) => {
      fixture.add(20, false)
      for (let taken = 0; taken < 98; taken++) fixture.budget.take(START_MS)
    },
    atMs: 0,
    requests: ids(2),
    wakeAtMs: 1,
  },
  {
    when: 'upstream has an outage, nothing is asked until the pause is over',
    given: (fixture) => {
      fixture.add(5, false)
      fixture.fail()
    },
    atMs: 274,
    requests: [],
    wakeAtMs: 275,
  },
  {
    when: 'the pause of an outage is over, one poll is made as a probe and the rest waits for it',
    given: (fixture) => {
      fixture.add(5, false)
      fixture.fail()
    },
    atMs: 275,
    requests: ['t0'],
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
  {
    when: 'a result is to be fetched after an outage, that is the probe',
    given: (fixture) => {
      const [, , ended] = fixture.add(5, false)
      if (ended !== undefined) fixture.schedule.listed(ended, true, START_MS)
      fixture.fail()
    },
    atMs: 275,
    requests: ['t2'],
    wakeAtMs: Number.POSITIVE_INFINITY,
  },
]

test.each(ROWS)('when $when', ({ given, atMs, requests, wakeAtMs }) => {
  const fixture = new PlanFixture()
  given(fixture)
  // What falls due at the same moment is asked for in any order.
  expect(fixture.requests(atMs).sort()).toEqual([...requests].sort())
  expect(fixture.wakeAtMs(atMs)).toBe(wakeAtMs)
})

test.each([
  [0, 200],
  [1_000, 200],
  [5_000, 500],
  [20_000, 2_000],
  [30_000, 3_000],
  [1e9, 3_000],
])('a task of %i ms is polled again after %i ms', (ageMs, intervalMs) => {
  const fixture = new PlanFixture()
  const [task] = fixture.add(1, false, ageMs)
  expect(fixture.requests(0)).toEqual(['t0'])
  if (task !== undefined) fixture.polled(task, 0)
  expect(fixture.wakeAtMs(0)).toBe(intervalMs)
  expect(fixture.requests(intervalMs - 1)).toEqual([])
  expect(fixture.requests(intervalMs)).toEqual(['t0'])
})

describe('a page that was read', () => {
  function readFirstPage(count: number) {
    const fixture = new PlanFixture()
    const tasks = fixture.add(count, true)
    expect(fixture.requests(200)).toEqual(['page first'])
    return { fixture, tasks }
  }

  test('puts off the polls of the tasks that it shows running', () => {
    const { fixture, tasks } = readFirstPage(30)
    fixture.showed(tasks, false, 250)
    expect(fixture.requests(250)).toEqual([])
    expect(fixture.wakeAtMs(250)).toBe(450)
  })

  test('leaves what it does not show to the next page', () => {
    const { fixture, tasks } = readFirstPage(30)
    fixture.showed(tasks.slice(0, 20), false, 250, 'second')
    expect(fixture.requests(250)).toEqual(['page second'])
  })

  test('leaves what it does not show to polls by id if it was the last', () => {
    const { fixture, tasks } = readFirstPage(30)
    fixture.showed(tasks.slice(3), false, 250)
    expect(fixture.requests(250).sort()).toEqual(ids(3))
  })

  test('has the results of the tasks fetched that it shows to have ended, so many at a time', () => {
    const { fixture, tasks } = readFirstPage(40)
    fixture.showed(tasks, true, 250)
    expect(fixture.requests(250)).toEqual([])
    expect(fixture.fetches()).toEqual(ids(32))
    fixture.plan.endFetch()
    expect(fixture.fetches()).toEqual(['t32'])
  })

  test('is believed once about the end of a task: the second time it is polled by id', () => {
    const { fixture, tasks } = readFirstPage(40)
    fixture.showed(tasks, true, 250)
    expect(fixture.fetches()).toContain('t0')
    for (const task of tasks.slice(0, 1)) fixture.polled(task, 300)
    expect(fixture.requests(500)).toEqual(['page first'])
    fixture.showed(tasks.slice(0, 1), true, 510)
    expect(fixture.fetches()).toEqual([])
    expect(fixture.requests(510)).toEqual(['t0'])
  })
})
