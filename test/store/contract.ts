import { describe } from 'vitest'
import {
  describeBounds,
  describeEnd,
  describeFullStore,
  describeSweep,
  describeUsage,
} from './contract-limits.ts'
import {
  describeClaim,
  describeDelete,
  describeKeysAndValues,
  describeList,
  describePutAndReplace,
  describeReads,
} from './contract-values.ts'
import { createStoreBench, type OpenDriver } from './store-bench.ts'

/** What every driver of the store must do. */
export function describeStore(name: string, openDriver: OpenDriver): void {
  describe(`${name} store`, () => {
    const bench = createStoreBench(openDriver)
    describe('claim', () => describeClaim(bench))
    describe('put and replace', () => describePutAndReplace(bench))
    describe('reads', () => describeReads(bench))
    describe('list', () => describeList(bench))
    describe('delete', () => describeDelete(bench))
    describe('keys and values', () => describeKeysAndValues(bench))
    describe('sweep', () => describeSweep(bench))
    describe('a full store', () => describeFullStore(bench))
    describe('bounds', () => describeBounds(bench))
    describe('usage', () => describeUsage(bench))
    describe('the end', () => describeEnd(bench))
  })
}
