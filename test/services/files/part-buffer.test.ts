import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { PartBuffer, SlabPool } from '../../../src/services/files/part-buffer.ts'

test('bytes that come one by one are not kept one by one', () => {
  const buffer = new PartBuffer(new SlabPool(), 200_000)
  for (let byte = 0; byte < 200_000; byte++) buffer.push(Buffer.of(byte & 0xff))
  expect(buffer.bytes).toBe(200_000)
  expect(buffer.chunks).toHaveLength(2)
  expect(Buffer.concat(buffer.chunks).every((byte, at) => byte === (at & 0xff))).toBe(true)
})

test('a part keeps its bytes, and gives all but its tail to the next', () => {
  const pool = new SlabPool()
  const slab = 256 * 1024
  const tail = 64 * 1024
  const bytes = randomBytes(3 * slab + 10)
  const first = new PartBuffer(pool, bytes.length)
  for (let at = 0; at < bytes.length; at += 65_521) first.push(bytes.subarray(at, at + 65_521))
  const { chunks } = first
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  expect(chunks.map(({ length }) => length)).toEqual([slab, slab, slab - tail + 10, tail])
  first.recycle()
  const second = new PartBuffer(pool, bytes.length)
  second.push(Buffer.alloc(bytes.length))
  const reused = second.chunks.filter((chunk) => chunks.some((old) => old.buffer === chunk.buffer))
  expect(reused).toHaveLength(3)
  // What a connection may not have written yet is as it was.
  expect(chunks.at(-1)?.equals(bytes.subarray(-tail))).toBe(true)
})

test('a small part takes no more memory than it has bytes', () => {
  const buffer = new PartBuffer(new SlabPool(), 5)
  buffer.push(Buffer.from('hello'))
  expect(buffer.chunks[0]?.buffer.byteLength).toBe(5)
})
