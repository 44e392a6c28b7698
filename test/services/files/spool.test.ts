import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createSpool } from '../../../src/services/files/spool.ts'
import { sourceOf } from './support/source.ts'

test('a spooled file has no name, and what a failed one held is gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oomol-test-'))
  const spool = createSpool(folder)
  const spooled = await spool.write('app', sourceOf([Buffer.from('hel'), Buffer.from('lo')]))
  const [directory = ''] = readdirSync(folder)
  expect(readdirSync(join(folder, directory))).toEqual([])
  expect(spooled.bytes).toBe(5)
  expect(String(await spooled.source.next())).toBe('hello')
  expect(await spooled.source.next()).toBeUndefined()
  await spooled.close()
  const failing = { next: () => Promise.reject(new Error('cut')) }
  await expect(spool.write('app', failing)).rejects.toThrow('cut')
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
  await expect(spool.write('app', sourceOf([]))).rejects.toMatchObject({ failure: { code: 'overloaded' } })
})
