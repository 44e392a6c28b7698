import { expect, test } from 'vitest'
import { UnwrittenOwners } from '../../../src/services/callers/unwritten-owners.ts'

type Line = { details: object; message: string }

function createLog() {
  const errors: Line[] = []
  return {
    errors,
    warn: () => {},
    error: (details: object, message: string) => errors.push({ details, message }),
  }
}

test('owners are known at once, and written as soon as the store takes them', async () => {
  let isAway = true
  let refused = 0
  const written = new Map<string, string>()
  const write = async (taskID: string, owner: string) => {
    if (isAway) {
      refused += 1
      throw new Error('away')
    }
    written.set(taskID, owner)
  }
  const unwritten = new UnwrittenOwners(write, createLog())
  for (let index = 0; index < 2500; index += 1) unwritten.add(`t${index}`, 'app')
  expect(unwritten.get('t7')).toBe('app')
  expect(unwritten.get('other')).toBe(undefined)
  // A store that is away is asked for one of them at a time.
  await expect.poll(() => refused).toBe(2)
  isAway = false
  await expect.poll(() => written.size).toBe(2500)
  expect(unwritten.get('t7')).toBe(undefined)
})

test('no more are remembered than the bound; one that is lost is in the log, with its caller', () => {
  const log = createLog()
  const unwritten = new UnwrittenOwners(() => Promise.reject(new Error('away')), log, 2)
  for (const taskID of ['a', 'b', 'c', 'a']) unwritten.add(taskID, 'app')
  expect(['a', 'b', 'c'].map((taskID) => unwritten.get(taskID))).toEqual(['app', 'app', undefined])
  expect(log.errors.map(({ details }) => details)).toEqual([{ taskID: 'c', caller: 'app' }])
  unwritten.close()
  expect(log.errors.at(-1)?.details).toEqual({ tasks: 2 })
})
