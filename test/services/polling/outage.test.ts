import { afterEach, expect, test } from 'vitest'
import type { TaskState } from '../../../src/domain/task.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { PollTask } from '../../../src/services/polling/credential-poller.ts'
import { createTaskPoller, type TaskPoller } from '../../../src/services/polling/task-poller.ts'
import { createTaskSource, type TaskSource } from './task-source.ts'

const watchers: TaskPoller[] = []
afterEach(() => {
  for (const watcher of watchers.splice(0)) watcher.close()
})

function watch(source: TaskSource, pollTask: PollTask): TaskPoller {
  const { readPage } = source
  const clock = { now: Date.now, random: Math.random, notFoundMs: 10_000 }
  const watcher = createTaskPoller({ ...clock, pollTask, readPage, pollRate: 500 })
  watchers.push(watcher)
  return watcher
}

/** Waits for the end of a task that was created just now. */
function endOf(watcher: TaskPoller, { credential }: TaskSource, taskID: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${taskID}: nobody told of its end`)), 8_000)
    const onState = ({ kind }: TaskState) => {
      if (kind === 'running') return
      clearTimeout(timer)
      resolve()
    }
    const target = { credential, taskID, createdAtMs: Date.now(), isNew: true }
    watcher.watch(target, { onState, onFailure: ({ code }) => reject(new Error(code)) })
  })
}

test('tasks that ended together are all told of, when upstream stumbled as their results were fetched', {
  timeout: 12_000,
}, async () => {
  const source = createTaskSource(() => 2)
  const failing = { left: 32 }
  const watcher = watch(source, async (...look) => {
    if (failing.left === 0) return source.pollTask(...look)
    failing.left -= 1
    throw new GatewayError({ code: 'upstream_unavailable', retryAfterSeconds: 1 })
  })
  const ids = Array.from({ length: 40 }, (_, index) => `t${index}`)
  for (const id of ids) source.add(id)
  const ends = ids.map((id) => endOf(watcher, source, id))
  for (const id of ids) source.end(id)
  await Promise.all(ends)
  expect(watcher.size()).toBe(0)
})
