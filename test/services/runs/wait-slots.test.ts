import { expect, test } from 'vitest'
import { createKeyCredential } from '../../../src/cloud/credential.ts'
import { createLimits } from '../../../src/services/callers/caller-limits.ts'
import type { Caller } from '../../../src/services/callers/request-context.ts'
import { createWaitSlots, type SlotDeps, withWaitSlot } from '../../../src/services/runs/wait-slots.ts'

function createCaller(id: string, concurrentRuns: number): Caller {
  const rules = {
    packages: [],
    functions: [],
    origins: [],
    scopes: new Set<never>(),
    limits: { concurrentRuns },
  }
  return { id, kind: 'app', rules, credential: createKeyCredential('key') }
}

const createDeps = (maxWaiting: number): SlotDeps => ({
  limits: createLimits(Date.now),
  waitSlots: createWaitSlots(maxWaiting),
})

const slow = createCaller('slow', 1)
const fast = createCaller('fast', 5)

test('a caller that has no slot left takes none of the process', async () => {
  const deps = createDeps(5)
  await withWaitSlot(deps, slow, async () => {
    await expect(withWaitSlot(deps, slow, async () => {})).rejects.toThrow('too_many_runs')
    expect(deps.waitSlots.waiting).toBe(1)
  })
  expect(deps.waitSlots.waiting).toBe(0)
})

test('a caller that finds the process full keeps its own slot for later', async () => {
  const deps = createDeps(1)
  await withWaitSlot(deps, fast, async () => {
    expect(deps.waitSlots.full).toBe(true)
    await expect(withWaitSlot(deps, slow, async () => {})).rejects.toThrow('overloaded')
  })
  expect(await withWaitSlot(deps, slow, async () => 'done')).toBe('done')
})

test('work that fails gives its slots back', async () => {
  const deps = createDeps(1)
  const fail = async () => {
    throw new Error('the work failed')
  }
  await expect(withWaitSlot(deps, slow, fail)).rejects.toThrow('the work failed')
  expect(await withWaitSlot(deps, slow, async () => 'done')).toBe('done')
})

test('a slot that is given back twice counts once', () => {
  const slots = createWaitSlots(2)
  const release = slots.acquire()
  slots.acquire()
  release()
  release()
  expect(slots.waiting).toBe(1)
})
