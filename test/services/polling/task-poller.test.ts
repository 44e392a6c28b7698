import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import type { TaskState } from '../../../src/domain/task.ts'
import { createTaskPoller, type TaskPoller } from '../../../src/services/polling/task-poller.ts'
import { watchLateness } from '../../support/lateness.ts'
import { createTaskSource, type TaskSource } from './task-source.ts'

const watchers: TaskPoller[] = []
afterAll(() => {
  for (const watcher of watchers.splice(0)) watcher.close()
})

function watch(source: TaskSource, pollRate: number): TaskPoller {
  const { pollTask, readPage } = source
  const watcher = createTaskPoller({
    pollTask,
    readPage,
    pollRate,
    now: Date.now,
    random: Math.random,
    notFoundMs: 10_000,
  })
  watchers.push(watcher)
  return watcher
}

/** Waits for the end of a task; gives when it was told, and rejects after the deadline. */
function endOf(watcher: TaskPoller, source: TaskSource, taskID: string, deadlineMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${taskID}: nobody told of its end`)), deadlineMs)
    let ends = 0
    const onState = (state: TaskState) => {
      if (state.kind === 'running') return
      ends += 1
      if (ends > 1) throw new Error(`${taskID}: told twice`)
      clearTimeout(timer)
      resolve(Date.now())
    }
    const target = { credential: source.credential, taskID, createdAtMs: Date.now(), isNew: false }
    watcher.watch(target, { onState, onFailure: ({ code }) => reject(new Error(code)) })
  })
}

test('10,000 waiters joining just before and after the end: every one is told', {
  timeout: 30_000,
}, async () => {
  const source = createTaskSource(() => 3 * Math.random())
  const watcher = watch(source, 100_000)
  const trial = async (index: number) => {
    const taskID = `t${index}`
    source.add(taskID)
    // Somebody is there before, so that the late ones meet a look under way or one that has just ended.
    const early = endOf(watcher, source, taskID, 10_000)
    await sleep(300 * Math.random())
    const end = sleep(4 * Math.random()).then(() => source.end(taskID))
    const late = sleep(8 * Math.random()).then(() => endOf(watcher, source, taskID, 10_000))
    await Promise.all([early, end, late])
  }
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => trial(round * 1_000 + index)))
  }
  expect(watcher.size()).toBe(0)
  expect(source.mostAtOnce).toBe(1)
})

test('many tasks are found out about from the list, and each result is fetched once', async () => {
  const source = createTaskSource(() => 1)
  const watcher = watch(source, 50)
  const ids = Array.from({ length: 400 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((taskID) => {
    const target = { credential: source.credential, taskID, createdAtMs: Date.now(), isNew: true }
    return new Promise<void>((resolve) => {
      watcher.watch(target, {
        onState: ({ kind }) => kind !== 'running' && resolve(),
        onFailure: () => {},
      })
    })
  })
  await sleep(1_000)
  for (const id of ids) source.end(id)
  const endedAt = Date.now()
  const looksBefore = sum(source)
  await Promise.all(ends)
  expect(Date.now() - endedAt).toBeLessThan(1_500)
  // By id there were only checks within the budget; then one fetch each.
  expect(looksBefore).toBeLessThan(60)
  expect(sum(source) - looksBefore).toBeLessThan(400 + 40)
  expect(source.pages).toBeLessThan(120)
})

// Each has a watcher of its own and mostly waits, so they wait together.
test.concurrent.each(['empty', 'fails', 'stale'] as const)(
  'when the list is of no use (%s) nobody starves: the intervals stretch for all',
  async (list) => {
    const source = createTaskSource(() => 1)
    source.list = list
    const rate = 200
    const watcher = watch(source, rate)
    const ids = Array.from({ length: 300 }, (_, index) => `t${index}`)
    for (const id of ids) source.add(id)
    const ends = ids.map((id) => endOf(watcher, source, id, 60_000))
    await sleep(6_000)
    const looks = ids.map((id) => source.looks.get(id) ?? 0)
    const requests = sum(source) + source.pages
    // Stale pages are believed for a while, and cost requests too; still everyone is asked for.
    expect(Math.min(...looks)).toBeGreaterThanOrEqual(1)
    if (list !== 'stale') expect(Math.max(...looks) - Math.min(...looks)).toBeLessThanOrEqual(3)
    expect(requests).toBeLessThanOrEqual(rate * 6.5 + rate / 10)
    for (const id of ids) source.end(id)
    const endedAt = Date.now()
    const latest = Math.max(...(await Promise.all(ends)))
    expect(latest - endedAt).toBeLessThan(6_000)
  },
)

test('a list that shows no end is not believed for long when the budget allows to ask', async () => {
  const source = createTaskSource(() => 1)
  source.list = 'stale'
  const watcher = watch(source, 1_000)
  const ids = Array.from({ length: 60 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((id) => endOf(watcher, source, id, 10_000))
  await sleep(2_000)
  for (const id of ids) source.end(id)
  const endedAt = Date.now()
  const lateness = watchLateness()
  const latest = Math.max(...(await Promise.all(ends)))
  lateness.stop()
  // Tasks of two seconds are looked at every 0.2 s: three intervals, jittered, and three timers of a busy machine.
  expect(latest - endedAt).toBeLessThan(900 + 3 * lateness.worstMs())
})

test('the last waiter leaving ends the looking', async () => {
  const source = createTaskSource(() => 1)
  const watcher = watch(source, 1_000)
  source.add('t')
  const target = { credential: source.credential, taskID: 't', createdAtMs: Date.now(), isNew: false }
  const waiter = { onState: () => {}, onFailure: () => {} }
  const leaveOne = watcher.watch(target, waiter)
  const leaveOther = watcher.watch(target, { ...waiter })
  await sleep(300)
  leaveOne()
  expect(watcher.size()).toBe(1)
  leaveOther()
  expect(watcher.size()).toBe(0)
  const looks = sum(source)
  await sleep(600)
  expect(sum(source)).toBe(looks)
})

function sum({ looks }: TaskSource): number {
  return [...looks.values()].reduce((total, count) => total + count, 0)
}
