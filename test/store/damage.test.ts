import { randomUUID } from 'node:crypto'
import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openFileStore } from '../../src/store/file-store.ts'
import type { Store, StoreOptions } from '../../src/store/store.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { startChild } from './processes.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const LONG = 3_600_000
const unavailable = expect.objectContaining({ failure: { code: 'store_unavailable' } })

type Opened = { store: Store; errors: string[] }

async function openHere(directory: string, options: Partial<StoreOptions> = {}): Promise<Opened> {
  const errors: string[] = []
  const note = (details: object, message: string) => errors.push(`${message} ${JSON.stringify(details)}`)
  const store = await openFileStore(directory, {
    now: Date.now,
    log: { warn: () => {}, error: note },
    ...options,
  })
  onTestFinished(() => store.close())
  return { store, errors }
}

const KEYS = Array.from({ length: 100 }, (_, index) => `k${index}`)
/** Text that occurs in the file once for each version of it. */
const MARKED = `marked-${randomUUID()}`

/** A store with 100 keys of each kind, one of them with the marked value. */
async function makeStore(): Promise<string> {
  const directory = await makeTemporaryDirectory()
  const { store } = await openHere(directory)
  await store.claim('idempotency', 'marked', MARKED, LONG)
  await Promise.all(KEYS.map((key) => store.claim('idempotency', key, `record of ${key}`, LONG)))
  await Promise.all(KEYS.map((key) => store.put('owners', key, 'app', LONG)))
  await store.close()
  return directory
}

/** Flips bytes of the file in place. */
async function damage(directory: string, change: (bytes: Buffer) => void): Promise<void> {
  const file = join(directory, 'data.mdb')
  const bytes = await readFile(file)
  change(bytes)
  await writeFile(file, bytes)
}

function flipMarked(bytes: Buffer): void {
  let found = 0
  for (let at = bytes.indexOf(MARKED); at >= 0; at = bytes.indexOf(MARKED, at + 1)) {
    bytes.writeUInt8(bytes.readUInt8(at + 3) ^ 1, at + 3)
    found += 1
  }
  expect(found).toBeGreaterThan(0)
}

/** Changes the databases as no store does. */
async function tamper(directory: string, name: string, key: (found: Buffer) => boolean): Promise<void> {
  const root = open({ path: directory, noSubdir: false, maxDbs: 10 })
  const database = root.openDB<Buffer, Buffer>(name, { keyEncoding: 'binary', encoding: 'binary' })
  const victim = [...database.getKeys()].map((one) => Buffer.from(one)).find(key)
  expect(victim).toBeDefined()
  database.removeSync(victim as Buffer)
  await root.close()
}

/** Keyed creates stop and owners go on, at every start until it is accepted. */
async function expectClosedUntilAccepted(directory: string, lost: string[]): Promise<Store> {
  for (let start = 0; start < 2; start += 1) {
    const { store, errors } = await openHere(directory)
    expect(errors).toEqual([expect.stringMatching(/the store is not what it was.*--accept-store/)])
    await expect(store.claim('idempotency', 'new', 'v', LONG)).rejects.toEqual(unavailable)
    await expect(store.get('idempotency', 'k0')).rejects.toEqual(unavailable)
    await store.put('owners', 'new', 'app', LONG)
    expect(await store.get('owners', 'new')).toBe('app')
    await store.close()
  }
  const accepted = await openHere(directory, { accept: true })
  expect(accepted.errors).toEqual([])
  await accepted.store.close()
  const { store, errors } = await openHere(directory)
  expect(errors).toEqual([])
  expect(await store.claim('idempotency', 'new', 'v', LONG)).toBe(undefined)
  const records = await store.getMany('idempotency', KEYS)
  expect(KEYS.filter((_, at) => records[at] === undefined)).toEqual(lost)
  return store
}

describe('a value that was changed in the file', () => {
  it('is seen while the store is open: never a record, never absent', async () => {
    const directory = await makeStore()
    const { store, errors } = await openHere(directory)
    await damage(directory, flipMarked)
    await expect(store.get('idempotency', 'marked')).rejects.toEqual(unavailable)
    await expect(store.getMany('idempotency', ['k0', 'marked'])).rejects.toEqual(unavailable)
    await expect(store.claim('idempotency', 'marked', 'v', LONG)).rejects.toEqual(unavailable)
    await expect(store.put('idempotency', 'marked', 'v', LONG)).rejects.toEqual(unavailable)
    await expect(store.replace('idempotency', 'marked', MARKED, 'v', LONG)).rejects.toEqual(unavailable)
    await expect(store.delete('idempotency', 'marked')).rejects.toEqual(unavailable)
    expect(errors).toEqual([expect.stringContaining('damaged')])
    expect(await store.get('idempotency', 'k0')).toBe('record of k0')
  })

  it('is seen at the start', async () => {
    const directory = await makeStore()
    await damage(directory, flipMarked)
    const store = await expectClosedUntilAccepted(directory, [])
    expect(await store.get('idempotency', 'marked')).toBe(undefined)
    expect(await store.get('owners', 'k7')).toBe('app')
    expect((await readdir(directory)).filter((name) => name.startsWith('damaged-'))).toHaveLength(1)
  })
})

describe('what is not what it was at the start is said and stops keyed creates until it is accepted', () => {
  it('an entry in the order of expiry that has no record', async () => {
    const directory = await makeStore()
    await tamper(directory, '2:idempotency', (key) => key.toString() === 'k5')
    await expectClosedUntilAccepted(directory, ['k5'])
  })

  it('a record that the order of expiry does not have', async () => {
    const directory = await makeStore()
    await tamper(directory, '2:owners-by-expiry', (key) => key.toString().endsWith('k5'))
    await expectClosedUntilAccepted(directory, [])
  })

  it('a space that is gone', async () => {
    const directory = await makeStore()
    await damage(directory, (bytes) => {
      for (let at = bytes.indexOf('2:idempotency'); at >= 0; at = bytes.indexOf('2:idempotency', at + 1)) {
        bytes.write('2:idempotenci', at)
      }
    })
    await expectClosedUntilAccepted(directory, ['marked', ...KEYS].slice(1))
  })

  it.each([
    ['missing', (file: string) => rm(file)],
    ['empty', (file: string) => truncate(file, 0)],
    ["another store's", async (file: string) => copyFile(join(await makeStore(), 'data.mdb'), file)],
  ])('a file that is %s', async (kind, change) => {
    const directory = await makeStore()
    await change(join(directory, 'data.mdb'))
    await expectClosedUntilAccepted(directory, kind === "another store's" ? [] : KEYS)
  })

  it('a marker that can not be read', async () => {
    const directory = await makeStore()
    await writeFile(join(directory, 'store.json'), '{"id":')
    await expectClosedUntilAccepted(directory, [])
  })
})

describe('what is all right is not said to be damaged', () => {
  it('a store without its marker: it is written again', async () => {
    const directory = await makeStore()
    const marker = await readFile(join(directory, 'store.json'), 'utf8')
    await rm(join(directory, 'store.json'))
    const { store, errors } = await openHere(directory, { accept: true })
    expect(errors).toEqual([])
    expect(await store.get('idempotency', 'k0')).toBe('record of k0')
    expect(await readFile(join(directory, 'store.json'), 'utf8')).toBe(marker)
  })

  it('a store that another process is writing to', async () => {
    const directory = await makeTemporaryDirectory()
    await startChild('claimForEver', directory, 'busy').printed(50)
    for (let round = 0; round < 4; round += 1) {
      const { store, errors } = await openHere(directory)
      expect(errors).toEqual([])
      await store.close()
    }
  })

  it('two processes that make it at the same time', async () => {
    const directory = await makeTemporaryDirectory()
    const children = ['one', 'two'].map((name) => startChild('useAndEnd', directory, name))
    expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0])
    expect((await openHere(directory)).errors).toEqual([])
  })
})

it('a damaged store that another process has open is not taken apart', async () => {
  const directory = await makeStore()
  await damage(directory, flipMarked)
  await openHere(directory)
  const child = startChild('openAccepting', directory)
  expect(await child.ended).toBe(0)
  expect(child.lines).toEqual([expect.stringContaining('end it before --accept-store')])
})

it('a store of the first layout is refused in words', async () => {
  const directory = await makeTemporaryDirectory()
  const root = open({ path: directory, noSubdir: false, maxDbs: 10 })
  root.openDB('owners', { keyEncoding: 'binary', encoding: 'binary' })
  await root.close()
  await expect(openHere(directory)).rejects.toThrow('made by an older version of the gateway: move it away')
})

it('50 flipped bytes never make a key new', { timeout: 60_000 }, async () => {
  const sound = await makeStore()
  const random = createSeededRandom('bytes that are flipped')
  const outcomes = new Map<string, number>()
  for (let round = 0; round < 6; round += 1) {
    const directory = await makeTemporaryDirectory()
    for (const name of ['data.mdb', 'store.json']) await copyFile(join(sound, name), join(directory, name))
    await damage(directory, (bytes) => {
      for (let flip = 0; flip < 50; flip += 1) {
        const at = Math.floor(random() * bytes.length)
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at)
      }
    })
    const child = startChild('claimKnown', directory)
    await child.ended
    const outcome = child.lines.at(-1) ?? 'the process ended'
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    expect(child.lines.filter((line) => line.startsWith('new'))).toEqual([])
  }
  // Some rounds must have met the records, or the test shows nothing.
  expect(outcomes.get('refused') ?? 0).toBeGreaterThan(0)
})
