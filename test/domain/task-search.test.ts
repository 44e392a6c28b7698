import { expect, test } from 'vitest'
import { digestInputs } from '../../src/domain/input-digest.ts'
import {
  findCandidates,
  type Listing,
  type LostCreate,
  proveAbsence,
  type SeenTask,
} from '../../src/domain/task-search.ts'

const TIMES = { settleMs: 10_000, unseenSettleMs: 60_000, recordingMs: 2_000, skewMs: 15_000 }
const LOST: LostCreate = {
  intent: {
    packageName: '@acme/ocr',
    packageVersion: '1.4.0',
    blockName: 'read',
    inputs: digestInputs({ a: 1 }),
  },
  startedAtMs: 1_000_000,
  endedAtMs: 1_005_000,
}
const TASK: SeenTask = {
  taskID: 't',
  createdAtMs: 1_001_000,
  packageID: '@acme/ocr@1.4.0',
  blockName: 'read',
  inputs: digestInputs({ a: 1 }),
}

const listing = (tasks: SeenTask[], parts: Partial<Listing> = {}): Listing => ({
  readAtMs: 1_100_000,
  tasks,
  isComplete: true,
  newestMs: 1_090_000,
  ...parts,
})
const verdict = (task: Partial<SeenTask>, lost = LOST) => {
  const { equal, unclear } = findCandidates(lost, listing([{ ...TASK, ...task }]), TIMES)
  return equal.length > 0 ? 'equal' : unclear.length > 0 ? 'unclear' : 'different'
}

test.each<[string, Partial<SeenTask>, string]>([
  ['the very task', {}, 'equal'],
  ['another block', { blockName: 'write' }, 'different'],
  ['another package', { packageID: '@acme/pdf@1.4.0' }, 'different'],
  ['another version', { packageID: '@acme/ocr@1.5.0' }, 'different'],
  ['a package id of another form', { packageID: '8a7b-uuid' }, 'unclear'],
  ['no package id', { packageID: undefined }, 'unclear'],
  ['other inputs', { inputs: digestInputs({ a: 2 }) }, 'different'],
  ['inputs that are not shown', { inputs: undefined }, 'unclear'],
  ['created long before', { createdAtMs: 984_000 }, 'different'],
  ['created a little before, by another clock', { createdAtMs: 990_000 }, 'equal'],
  ['created long after', { createdAtMs: 1_031_000 }, 'different'],
  ['created at an unknown time', { createdAtMs: undefined }, 'unclear'],
])('a candidate: %s', (_name, task, expected) => {
  expect(verdict(task)).toBe(expected)
})

test('a tag stands for every version', () => {
  const lost = { ...LOST, intent: { ...LOST.intent, packageVersion: 'latest' } }
  expect(verdict({ packageID: '@acme/ocr@7.0.0' }, lost)).toBe('equal')
})

test.each<[string, Partial<Listing>, unknown]>([
  ['complete, settled and current', {}, { absent: true }],
  ['cut off', { isComplete: false }, { absent: false, againAtMs: undefined }],
  ['too early', { readAtMs: 1_014_999 }, { absent: false, againAtMs: 1_015_000 }],
  [
    'with nothing younger',
    { readAtMs: 1_016_000, newestMs: 1_005_500 },
    { absent: false, againAtMs: undefined },
  ],
  ['with nothing younger, much later', { readAtMs: 1_065_000, newestMs: 0 }, { absent: true }],
])('what a list without the task proves: %s', (_name, parts, expected) => {
  expect(proveAbsence(LOST, listing([], parts), TIMES)).toEqual(expected)
})
