import { chmod, mkdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openFileStore } from '../../src/store/file-store.ts'
import type { Store, StoreOptions } from '../../src/store/store.ts'
import { StoreOpenError } from '../../src/store/store-open-error.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { within } from '../support/within.ts'
import { startChild } from './processes.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const LONG = 3_600_000
const unavailable = expect.objectContaining({ failure: { code: 'store_unavailable' } })

async function openHere(directory: string, options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openFileStore(directory, { now: Date.now, ...options })
  onTestFinished(() => store.close())
  return store
}

async function openError(directory: string, options: Partial<StoreOptions> = {}): Promise<string> {
  const failure = await openHere(directory, options).then(
    () => new Error('it opened'),
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(StoreOpenError)
  expect((failure as Error).message).not.toContain(directory)
  return (failure as Error).message
}

describe('the file', () => {
  it('is there again after a restart, with its expiries', async () => {
    const directory = await makeTemporaryDirectory()
    const start = Date.now()
    const first = await openHere(directory, { now: () => start })
    await first.claim('idempotency', 'k', 'kept', LONG)
    await first.claim('idempotency', 'short', 'gone', LONG - 1000)
    await first.close()
    const second = await openHere(directory, { now: () => start + LONG - 1000 })
    expect(await second.claim('idempotency', 'k', 'other', LONG)).toBe('kept')
    expect(await second.get('idempotency', 'short')).toBe(undefined)
    expect(await second.sweep()).toBe(1)
  })

  it('can be read by its owner only', async () => {
    const directory = join(await makeTemporaryDirectory(), 'deep', 'data')
    await openHere(directory)
    const modes = ['', 'data.mdb', 'lock.mdb'].map(
      async (name) => (await stat(join(directory, name))).mode & 0o777,
    )
    expect(await Promise.all(modes)).toEqual([0o700, 0o600, 0o600])
  })

  it('takes a thousand claims in a few commits', async () => {
    const directory = await makeTemporaryDirectory()
    const store = await openHere(directory)
    const observer = open({ path: directory, noSubdir: false, overlappingSync: false })
    const commits = () => (observer.getStats() as { lastTxnId: number }).lastTxnId
    const before = commits()
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`)
    await Promise.all(keys.map((key) => store.claim('owners', key, 'v', LONG)))
    await new Promise(setImmediate)
    expect(commits() - before).toBeGreaterThan(0)
    expect(commits() - before).toBeLessThan(10)
    await observer.close()
  })

  it('has one line in the order of expiry for each entry, and no more', async () => {
    const directory = await makeTemporaryDirectory()
    let time = Date.now()
    const store = await openHere(directory, { now: () => time })
    const observer = open({ path: directory, noSubdir: false, overlappingSync: false })
    const count = (name: string) =>
      (observer.openDB(name, { keyEncoding: 'binary' }).getStats() as { entryCount: number }).entryCount
    const changes = Array.from({ length: 300 }, async (_, index) => {
      const key = `k${index % 20}`
      const livesMs = LONG - (index % 50)
      if (index % 3 === 0) await store.put('owners', key, 'v', livesMs)
      else if (index % 3 === 1) await store.replace('owners', key, 'v', 'v', livesMs)
      else await (index % 4 === 0 ? store.delete('owners', key) : store.claim('owners', key, 'v', livesMs))
    })
    await Promise.all(changes)
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    const kept = (await store.getMany('owners', keys)).filter((value) => value !== undefined).length
    expect(kept).toBeGreaterThan(5)
    expect([count('2:owners'), count('2:owners-by-expiry')]).toEqual([kept, kept])
    time += LONG
    expect(await store.sweep()).toBe(kept)
    expect([count('2:owners'), count('2:owners-by-expiry')]).toEqual([0, 0])
    await observer.close()
  })

  it('keeps the loop free while it sweeps large entries', async () => {
    const directory = await makeTemporaryDirectory()
    let time = Date.now()
    const store = await openHere(directory, { now: () => time })
    const value = 'v'.repeat(100_000)
    for (let index = 0; index < 500; index += 1) await store.put('owners', `k${index}`, value, LONG)
    time += LONG
    let longest = 0
    let last = performance.now()
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 1)
    expect(await store.sweep()).toBe(500)
    clearInterval(timer)
    expect(longest).toBeLessThan(200)
  })
})

describe('several processes', () => {
  it('win each of 500 keys exactly once', async () => {
    const directory = await makeTemporaryDirectory()
    const racers = ['one', 'two'].map((name) => startChild('race', directory, name))
    await Promise.all(racers.map((racer) => racer.printed(1)))
    for (const racer of racers) racer.process.stdin?.write('go\n')
    expect(await Promise.all(racers.map((racer) => racer.ended))).toEqual([0, 0])
    const [one, two] = racers.map(
      ({ lines }) => new Map(lines.slice(1).map((line) => line.split(' ', 2) as [string, string])),
    )
    expect(one?.size).toBe(500)
    // Both got the same winner for every key.
    expect(new Map([...(one ?? [])].sort())).toEqual(new Map([...(two ?? [])].sort()))
    const store = await openHere(directory)
    const stored = await store.getMany('idempotency', [...(one?.keys() ?? [])])
    expect(stored).toEqual([...(one?.values() ?? [])])
  })

  it('lose no acknowledged claim when one is killed', async () => {
    const directory = await makeTemporaryDirectory()
    const here = await openHere(directory)
    const random = createSeededRandom('moments of the kills')
    let acknowledged: string[] = []
    for (let round = 0; round < 3; round += 1) {
      const child = startChild('claimForEver', directory, `round${round}`)
      await child.printed(100 + Math.floor(random() * 2000))
      child.process.kill('SIGKILL')
      expect(await child.ended).toBe('SIGKILL')
      acknowledged = acknowledged.concat(child.lines)
      const claim = here.claim('idempotency', `survivor ${round}`, 'v', LONG)
      expect(await within(claim, 'the lock died with its holder')).toBe(undefined)
    }
    expect(acknowledged.filter((line) => line.startsWith('lost'))).toEqual([])
    const expected = acknowledged.map((key) => `of ${key}`)
    expect(await here.getMany('idempotency', acknowledged)).toEqual(expected)
    await here.close()
    const again = await openHere(directory)
    expect(await again.getMany('idempotency', acknowledged)).toEqual(expected)
  })

  it('answer store_unavailable while one of them hangs, and read on', async () => {
    const directory = await makeTemporaryDirectory()
    const store = await openHere(directory, { timeoutMs: 400 })
    await store.put('owners', 'k', 'v', LONG)
    const holder = startChild('holdLock', directory)
    await holder.printed(1)
    await expect(store.claim('owners', 'late', 'v', LONG)).rejects.toEqual(unavailable)
    await expect(store.put('owners', 'k', 'w', LONG)).rejects.toEqual(unavailable)
    expect(await store.get('owners', 'k')).toBe('v')
    expect(await openError(directory, { timeoutMs: 1500 })).toContain('another process has locked')
    holder.process.kill('SIGKILL')
    await holder.ended
    // The claim that was reported as failed went through now, and is taken back.
    await expect
      .poll(() =>
        store.put('owners', 'ready', 'v', LONG).then(
          () => 'ready',
          () => 'not ready',
        ),
      )
      .toBe('ready')
    await expect.poll(() => store.get('owners', 'late')).toBe(undefined)
    await store.put('owners', 'k', 'w', LONG)
    expect(await store.claim('owners', 'late', 'v', LONG)).toBe(undefined)
  })

  it('end when they exit in the midst of writes', async () => {
    const directory = await makeTemporaryDirectory()
    for (let round = 0; round < 3; round += 1) {
      expect(await startChild('exitWhileWriting', directory).ended).toBe(7)
    }
    const store = await openHere(directory)
    expect(await store.claim('idempotency', 'k', 'v', LONG)).toBe(undefined)
  })

  it('are kept alive by nothing, closed or not', async () => {
    const directory = await makeTemporaryDirectory()
    const children = ['closes', 'just ends'].map((name) => startChild('useAndEnd', directory, name))
    expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0])
    expect(children.map(({ lines }) => lines)).toEqual([['done'], ['done']])
  })
})

describe('a store that cannot be opened says why', () => {
  it('a file where the directory should be', async () => {
    const parent = await makeTemporaryDirectory()
    await writeFile(join(parent, 'file'), '')
    expect(await openError(join(parent, 'file'))).toMatch(/^STORE_URL must name a directory/)
    expect(await openError(join(parent, 'file', 'data'))).toMatch(/^STORE_URL must name a directory/)
    await mkdir(join(parent, 'data', 'data.mdb'), { recursive: true })
    expect(await openError(join(parent, 'data'))).toMatch(/^STORE_URL must name a directory/)
  })

  it('no permission', async () => {
    const parent = await makeTemporaryDirectory()
    await chmod(parent, 0o755)
    const directory = join(parent, 'data')
    await mkdir(directory, { mode: 0o500 })
    for (const path of [directory, join(directory, 'deeper')]) {
      const child = startChild('tryToOpen', path)
      expect(await child.ended).toBe(0)
      expect(child.lines.join()).toContain('STORE_URL names a directory without permission')
    }
  })

  it('a damaged file', async () => {
    for (const content of ['garbage '.repeat(10_000), 'x']) {
      const directory = await makeTemporaryDirectory()
      await writeFile(join(directory, 'data.mdb'), content)
      expect(await openError(directory)).toMatch(/^STORE_URL names a store whose file is damaged/)
    }
  })

  it('a file cut short', async () => {
    const directory = await makeTemporaryDirectory()
    const store = await openHere(directory)
    const keys = Array.from({ length: 2000 }, (_, index) => `k${index}`)
    await Promise.all(keys.map((key) => store.put('owners', key, 'v'.repeat(200), LONG)))
    await store.close()
    await truncate(join(directory, 'data.mdb'), 16_384)
    expect(await openError(directory)).toMatch(/^STORE_URL names a store whose file is damaged/)
  })
})
