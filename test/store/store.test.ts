import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openFileStore } from '../../src/store/file-store.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { describeStore } from './contract.ts'

describeStore('memory', async (options) => createMemoryStore(options))

const directories: string[] = []
afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))))

describeStore('file', async (options) => {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-store-'))
  directories.push(directory)
  return openFileStore(directory, options)
})
