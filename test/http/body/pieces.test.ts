import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { retryPauseMs } from '../../../src/domain/retry.ts'
import { FileIntake } from '../../../src/services/files/file-intake.ts'
import { createMemoryBudget } from '../../../src/services/files/memory-budget.ts'
import { PartBuffer, SlabPool } from '../../../src/services/files/part-buffer.ts'
import { createSpool } from '../../../src/services/files/spool.ts'

const never = new AbortController().signal

function sourceOf(chunks: readonly Buffer[]) {
  const left = [...chunks]
  return { next: async () => left.shift() }
}

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

test('an intake gives exact amounts, whatever the chunks were', async () => {
  const bytes = Buffer.from('0123456789abcdef')
  const chunks = [bytes.subarray(0, 1), bytes.subarray(1, 11), bytes.subarray(11)]
  const intake = new FileIntake(sourceOf(chunks), { limitBytes: 16, hash: true, signal: never })
  const collect = (bytes: number) => intake.collect(new PartBuffer(new SlabPool(), bytes), bytes)
  intake.putBack((await collect(7)).chunks)
  const parts = []
  for (let list = await collect(5); list.bytes > 0; list = await collect(5)) {
    parts.push(Buffer.concat(list.chunks).toString())
  }
  expect(parts).toEqual(['01234', '56789', 'abcde', 'f'])
  expect(intake.bytes).toBe(16)
})

test('room goes to who came first, and comes back in full', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 1_000 })
  const first = await budget.take(6, never)
  const order: string[] = []
  const take = async (name: string, bytes: number) => {
    const lease = await budget.take(bytes, never)
    order.push(name)
    return lease
  }
  const large = take('large', 8)
  const small = take('small', 2)
  const part = first.split(1)
  part.release()
  part.release()
  await Promise.resolve()
  expect(order).toEqual([])
  first.release()
  const leases = await Promise.all([large, small])
  expect(order).toEqual(['large', 'small'])
  for (const lease of leases) lease.release()
  expect(budget.held).toBe(0)
})

test('who gives up waiting is not in the way of who comes after', async () => {
  const budget = createMemoryBudget({ limitBytes: 10, maxWaitMs: 50 })
  const first = await budget.take(6, never)
  const abort = new AbortController()
  const large = budget.take(8, abort.signal)
  const small = budget.take(4, never)
  abort.abort()
  await expect(large).rejects.toMatchObject({ failure: { code: 'overloaded' } })
  const second = await small
  await expect(budget.take(1, never)).rejects.toMatchObject({ failure: { code: 'overloaded' } })
  first.release()
  second.release()
  // More than there is at all is as much as there is.
  const all = await budget.take(100, never)
  expect(all.bytes).toBe(10)
  all.release()
  expect(budget.held).toBe(0)
})

test('a pause grows, is jittered, and is bounded whatever was asked for', () => {
  expect(retryPauseMs(1, undefined, 0)).toBe(200)
  expect(retryPauseMs(1, undefined, 1)).toBe(400)
  expect(retryPauseMs(2, undefined, 1)).toBe(800)
  expect(retryPauseMs(1, 2_000, 1)).toBe(2_000)
  expect(retryPauseMs(1, 1e12, 1)).toBe(10_000)
})

test('a spooled file has no name, and what a failed one held is gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oomol-test-'))
  const spool = createSpool(folder)
  const spooled = await spool.write(sourceOf([Buffer.from('hel'), Buffer.from('lo')]))
  const [directory = ''] = readdirSync(folder)
  expect(readdirSync(join(folder, directory))).toEqual([])
  expect(spooled.bytes).toBe(5)
  expect(String(await spooled.source.next())).toBe('hello')
  expect(await spooled.source.next()).toBeUndefined()
  await spooled.close()
  const failing = { next: () => Promise.reject(new Error('cut')) }
  await expect(spool.write(failing)).rejects.toThrow('cut')
  await spool.close()
  expect(readdirSync(folder)).toEqual([])
  await rm(folder, { recursive: true })
})

test('what a dead process left behind is removed, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oomol-test-'))
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const stale = join(folder, `oomol-gateway-spool-${dead}-abc`)
  const live = join(folder, `oomol-gateway-spool-${process.ppid}-abc`)
  const other = join(folder, 'something-else')
  for (const path of [stale, live, other]) await mkdir(path)
  await writeFile(join(stale, '1'), 'left behind')
  await createSpool(folder).clean()
  expect([stale, live, other].map((path) => existsSync(path))).toEqual([false, true, true])
  await createSpool(join(folder, 'not-there')).clean()
  await rm(folder, { recursive: true })
})

test('a spool without a place to write says that there is no room', async () => {
  const spool = createSpool('/proc/nowhere')
  await expect(spool.write(sourceOf([]))).rejects.toMatchObject({ failure: { code: 'overloaded' } })
})
