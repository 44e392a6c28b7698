import { expect, test } from 'vitest'
import type { TaskState } from '../../src/domain/task.ts'
import { createProgress } from '../../src/mcp/progress.ts'

const running = (status: string, progress: number): TaskState => ({ kind: 'running', status, progress })
const failed: TaskState = { kind: 'failed', message: 'no paper', quota: false }

/** What is told of states, one after the other; null where nothing is. */
function told(...states: TaskState[]): (number | null)[] {
  const toProgress = createProgress()
  return states.map((state) => toProgress('t1', state)?.progress ?? null)
}

test.each([
  ['a scale to 100', [running('queued', 0), running('running', 20), running('running', 55)], [0, 20, 55]],
  ['a scale to 1', [running('queued', 0), running('running', 0.2), running('running', 0.55)], [0, 20, 55]],
  ['nothing new', [running('queued', 0), running('queued', 0)], [0, null]],
  ['a step back', [running('running', 40), running('running', 30)], [40, null]],
  ['a change of status alone', [running('queued', 0), running('scheduled', 0)], [0, 0.1]],
  ['more than all', [running('running', 250), running('running', 300)], [99, null]],
  ['less than nothing', [running('running', -5)], [0]],
  ['the end', [running('running', 100), failed, failed], [99, 100, null]],
])('%s', (_name, states, expected) => {
  expect(told(...states)).toEqual(expected)
})

test('says which task and how it stands', () => {
  expect(createProgress()('t1', running('queued', 0))).toEqual({
    progress: 0,
    total: 100,
    message: 'Task t1 queued',
  })
})
