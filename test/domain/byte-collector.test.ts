import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { ByteCollector } from '../../src/domain/byte-collector.ts'
import { createSeededRandom } from '../support/seeded-random.ts'

/** The memory that a list of pieces keeps from being freed, in bytes. */
const keptBytes = (pieces: readonly Buffer[]) =>
  [...new Set(pieces.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)

test('bytes that come one by one are kept in few pieces', () => {
  const collector = new ByteCollector()
  for (let byte = 0; byte < 300_000; byte++) collector.append(Buffer.of(byte & 0xff))
  expect(collector.bytes).toBe(300_000)
  const pieces = collector.take()
  expect(pieces.length).toBeLessThan(20)
  expect(keptBytes(pieces)).toBeLessThanOrEqual(2 * 300_000)
  expect(Buffer.concat(pieces).every((byte, at) => byte === (at & 0xff))).toBe(true)
  expect(collector.bytes).toBe(0)
})

test('large chunks are kept as they are, and in their place', () => {
  const collector = new ByteCollector()
  const large = Buffer.allocUnsafeSlow(8192).fill('L')
  for (const chunk of [Buffer.from('a'), large, Buffer.from('b')]) collector.append(chunk)
  const pieces = collector.take()
  expect(pieces[1]).toBe(large)
  expect(Buffer.concat(pieces).equals(Buffer.concat([Buffer.from('a'), large, Buffer.from('b')]))).toBe(true)
})

test('a slice does not keep what it was cut from', () => {
  const collector = new ByteCollector()
  for (let count = 0; count < 100; count++)
    collector.append(Buffer.allocUnsafeSlow(64 * 1024).subarray(5, 5005))
  expect(keptBytes(collector.take())).toBeLessThanOrEqual(2 * 500_000)
  const short = new ByteCollector()
  short.append(Buffer.allocUnsafe(1))
  expect(short.concat().buffer.byteLength).toBe(1)
})

test('any mixture of chunks comes out as it went in, and costs at most twice as much', () => {
  const random = createSeededRandom('byte-collector')
  const collector = new ByteCollector()
  const expected: Buffer[] = []
  const read: Buffer[] = []
  for (let count = 0; count < 2_000; count++) {
    const chunk = randomBytes(1 + Math.floor(random() ** 4 * 20_000))
    expected.push(chunk)
    collector.append(chunk)
    if (random() < 0.1) read.push(collector.shift() ?? Buffer.alloc(0))
  }
  const { bytes } = collector
  const rest = collector.take()
  expect(rest.reduce((sum, { length }) => sum + length, 0)).toBe(bytes)
  expect(keptBytes(rest)).toBeLessThanOrEqual(2 * bytes + 1024)
  expect(Buffer.concat([...read, ...rest]).equals(Buffer.concat(expected))).toBe(true)
  expect(collector.shift()).toBeUndefined()
  expect(collector.concat()).toHaveLength(0)
})
