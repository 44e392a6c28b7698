import { stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/store/open-store.ts'
import { StoreOpenError } from '../../src/store/store-open-error.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const options = { now: Date.now }

describe('openStore', () => {
  it('opens the directory that a file: URL names, in every form', async () => {
    const parent = await makeTemporaryDirectory()
    const path = (name: string) => join(parent, name)
    const urls: [string, string][] = [
      ['absolute', `file:${path('absolute')}`],
      ['with slashes', pathToFileURL(path('with slashes')).href],
      ['relative', `file:${relative(process.cwd(), path('relative'))}`],
      ['dotted', `file:./${relative(process.cwd(), path('dotted'))}`],
      ['100% as it is', `file:${path('100% as it is')}`],
    ]
    for (const [name, url] of urls) {
      const store = await openStore(url, options)
      expect(await store.claim('owners', 'k', 'v', 60_000)).toBe(undefined)
      await store.close()
      expect((await stat(join(path(name), 'data.mdb'))).isFile()).toBe(true)
    }
  })

  it('opens a store in memory', async () => {
    const store = await openStore('memory:', options)
    expect(await store.claim('owners', 'k', 'v', 60_000)).toBe(undefined)
    await store.close()
  })

  it('says that Redis is not built yet, without its password', async () => {
    const opening = openStore('rediss://user:very-secret@host:6379/0', options)
    await expect(opening).rejects.toThrow(StoreOpenError)
    await expect(opening).rejects.toThrow(/^STORE_URL asks for Redis, which is not built yet/)
    await expect(opening).rejects.not.toThrow(/very-secret/)
  })

  it('refuses everything else', async () => {
    for (const url of [
      '',
      'file:',
      'data',
      './data',
      '/data',
      'memory',
      'memory:x',
      'http://host/',
      'file://host/data',
    ]) {
      await expect(openStore(url, options), url).rejects.toThrow(/^STORE_URL must /)
    }
  })
})
