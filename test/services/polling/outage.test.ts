import { afterEach, expect, test } from 'vitest'
import type { TaskState } from '../../../src/domain/task.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { PollTask } from '../../../src/services/polling/polled-task.ts'
import { createTaskPoller, type TaskPoller } from '../../../src/services/polling/task-poller.ts'
import { createTaskSource, type TaskSource } from './task-source.ts'

const pollers: TaskPoller[] = []
afterEach(() => {
  for (const poller of pollers.splice(0)) poller.close()
})

function pollerOf(source: TaskSource, pollTask: PollTask): TaskPoller {
  const { readPage } = source
  const clock = { monotonicNow: () => performance.now(), random: Math.random, notFoundMs: 10_000 }
  const poller = createTaskPoller({ ...clock, pollTask, readPage, pollRate: 500 })
  pollers.push(poller)
  return poller
}

/** Waits for the end of a task that was created just now. */
function endOf(poller: TaskPoller, { credential }: TaskSource, taskID: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${taskID}: no waiter was called at its end`)), 8_000)
    const onState = ({ kind }: TaskState) => {
      if (kind === 'running') return
      clearTimeout(timer)
      resolve()
    }
    const target = { credential, taskID, ageMs: 0, isNew: true }
    poller.join(target, { onState, onFailure: ({ code }) => reject(new Error(code)) })
  })
}

test('all waiters of tasks that ended together are called, when upstream fails as results are fetched', {
  timeout: 12_000,
}, async () => {
  const source = createTaskSource(() => 2)
  const failing = { left: 32 }
  const poller = pollerOf(source, async (...poll) => {
    if (failing.left === 0) return source.pollTask(...poll)
    failing.left -= 1
    throw new GatewayError({ code: 'upstream_unavailable', retryAfterSeconds: 1 })
  })
  const ids = Array.from({ length: 40 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((id) => endOf(poller, source, id))
  for (const id of ids) source.end(id)
  await Promise.all(ends)
  expect(poller.size()).toBe(0)
})
