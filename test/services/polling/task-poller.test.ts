import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import type { TaskState } from '../../../src/domain/task.ts'
import { createTaskPoller, type TaskPoller } from '../../../src/services/polling/task-poller.ts'
import { watchLateness } from '../../support/lateness.ts'
import { createTaskSource, type TaskSource } from './task-source.ts'

const pollers: TaskPoller[] = []
afterAll(() => {
  for (const poller of pollers.splice(0)) poller.close()
})

function pollerOf(source: TaskSource, pollRate: number): TaskPoller {
  const { pollTask, readPage } = source
  const poller = createTaskPoller({
    pollTask,
    readPage,
    pollRate,
    monotonicNow: () => performance.now(),
    random: Math.random,
    notFoundMs: 10_000,
  })
  pollers.push(poller)
  return poller
}

/** Waits for the end of a task; gives when the waiter was called, and rejects after the deadline. */
function endOf(poller: TaskPoller, source: TaskSource, taskID: string, deadlineMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${taskID}: no waiter was called at its end`)),
      deadlineMs,
    )
    let ends = 0
    const onState = (state: TaskState) => {
      if (state.kind === 'running') return
      ends += 1
      if (ends > 1) throw new Error(`${taskID}: called twice`)
      clearTimeout(timer)
      resolve(Date.now())
    }
    const target = { credential: source.credential, taskID, ageMs: 0, isNew: false }
    poller.join(target, { onState, onFailure: ({ code }) => reject(new Error(code)) })
  })
}

test('10,000 waiters joining just before and after the end: every one is called', {
  timeout: 30_000,
}, async () => {
  const source = createTaskSource(() => 3 * Math.random())
  const poller = pollerOf(source, 100_000)
  const trial = async (index: number) => {
    const taskID = `t${index}`
    source.add(taskID)
    // One is there before, so that the late ones meet a poll that is under way or has just ended.
    const early = endOf(poller, source, taskID, 10_000)
    await sleep(300 * Math.random())
    const end = sleep(4 * Math.random()).then(() => source.end(taskID))
    const late = sleep(8 * Math.random()).then(() => endOf(poller, source, taskID, 10_000))
    await Promise.all([early, end, late])
  }
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => trial(round * 1_000 + index)))
  }
  expect(poller.size()).toBe(0)
  expect(source.mostAtOnce).toBe(1)
})

test('the ends of many tasks are found in the list, and each result is fetched once', async () => {
  const source = createTaskSource(() => 1)
  const poller = pollerOf(source, 50)
  const ids = Array.from({ length: 400 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((taskID) => {
    const target = { credential: source.credential, taskID, ageMs: 0, isNew: true }
    return new Promise<void>((resolve) => {
      poller.join(target, {
        onState: ({ kind }) => kind !== 'running' && resolve(),
        onFailure: () => {},
      })
    })
  })
  await sleep(1_000)
  for (const id of ids) source.end(id)
  const endedAt = Date.now()
  const pollsBefore = sum(source)
  await Promise.all(ends)
  expect(Date.now() - endedAt).toBeLessThan(1_500)
  // By id there were only checks within the budget; then one fetch each.
  expect(pollsBefore).toBeLessThan(60)
  expect(sum(source) - pollsBefore).toBeLessThan(400 + 40)
  expect(source.pages).toBeLessThan(120)
})

// Each has a poller of its own and mostly waits, so they wait together.
test.concurrent.each(['empty', 'fails', 'stale'] as const)(
  'when the list is of no use (%s) no task starves: the intervals stretch for all',
  async (list) => {
    const source = createTaskSource(() => 1)
    source.list = list
    const rate = 200
    const poller = pollerOf(source, rate)
    const ids = Array.from({ length: 300 }, (_, index) => `t${index}`)
    for (const id of ids) source.add(id)
    const ends = ids.map((id) => endOf(poller, source, id, 60_000))
    await sleep(6_000)
    const polls = ids.map((id) => source.polls.get(id) ?? 0)
    const requests = sum(source) + source.pages
    // Stale pages are believed for a while, and cost requests too; still every task is polled by id.
    expect(Math.min(...polls)).toBeGreaterThanOrEqual(1)
    if (list !== 'stale') expect(Math.max(...polls) - Math.min(...polls)).toBeLessThanOrEqual(3)
    expect(requests).toBeLessThanOrEqual(rate * 6.5 + rate / 10)
    for (const id of ids) source.end(id)
    const endedAt = Date.now()
    const latest = Math.max(...(await Promise.all(ends)))
    expect(latest - endedAt).toBeLessThan(6_000)
  },
)

test('a list that shows no end is not believed for long when the budget allows polls by id', async () => {
  const source = createTaskSource(() => 1)
  source.list = 'stale'
  const poller = pollerOf(source, 1_000)
  const ids = Array.from({ length: 60 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((id) => endOf(poller, source, id, 10_000))
  await sleep(2_000)
  for (const id of ids) source.end(id)
  const endedAt = Date.now()
  const lateness = watchLateness()
  const latest = Math.max(...(await Promise.all(ends)))
  lateness.stop()
  // Tasks of two seconds are polled every 0.2 s: three intervals, jittered, and three timers of a busy machine.
  expect(latest - endedAt).toBeLessThan(900 + 3 * lateness.worstMs())
})

test('the last waiter leaving ends the polling', async () => {
  const source = createTaskSource(() => 1)
  const poller = pollerOf(source, 1_000)
  source.add('t')
  const target = { credential: source.credential, taskID: 't', ageMs: 0, isNew: false }
  const waiter = { onState: () => {}, onFailure: () => {} }
  const leaveOne = poller.join(target, waiter)
  const leaveOther = poller.join(target, { ...waiter })
  await sleep(300)
  leaveOne()
  expect(poller.size()).toBe(1)
  leaveOther()
  expect(poller.size()).toBe(0)
  const polls = sum(source)
  await sleep(600)
  expect(sum(source)).toBe(polls)
})

function sum({ polls }: TaskSource): number {
  return [...polls.values()].reduce((total, count) => total + count, 0)
}
