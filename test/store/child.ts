/**
 * What the tests of the file store run as processes of their own: `child.ts ROLE DIRECTORY NAME`. Lines
 * on stdout say what happened; a line on stdin starts the role.
 */

import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { open } from 'lmdb'
import { openFileStore } from '../../src/store/file-store.ts'
import type { Store } from '../../src/store/store.ts'

const [role = '', directory = '', name = ''] = process.argv.slice(2)
const LONG = 3_600_000

const CLOCK = new Int32Array(new SharedArrayBuffer(4))

/** Written before the next line of code runs, so that a kill loses nothing that was said; a full pipe is waited for. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(CLOCK, 0, 0, 1)
    }
  }
}

const openStore = (): Promise<Store> => openFileStore(directory, { now: Date.now })

async function inParallel(loops: number, loop: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)))
}

/** Claims the same 500 keys as its rivals, a few at a time; says what it won and who won the rest. */
async function race(): Promise<void> {
  const store = await openStore()
  say('ready')
  await once(process.stdin, 'data')
  let next = 0
  await inParallel(5, async () => {
    while (next < 500) {
      const key = `k${next}`
      next += 1
      say(`${key} ${(await store.claim('idempotency', key, name, LONG)) ?? name}`)
    }
  })
  await store.close()
  process.stdin.destroy()
}

/** Claims keys of its own for ever, and says which it got. */
async function claimForEver(): Promise<void> {
  const store = await openStore()
  let next = 0
  await inParallel(20, async () => {
    for (;;) {
      const key = `${name}-${next}`
      next += 1
      const current = await store.claim('idempotency', key, `of ${key}`, LONG)
      say(current === undefined ? key : `lost ${key}`)
    }
  })
}

/** Exits in the midst of its writes. */
async function exitWhileWriting(): Promise<void> {
  const store = await openStore()
  setTimeout(() => process.exit(7), 20)
  const large = 'v'.repeat(1_000_000)
  await inParallel(20, async (index) => {
    for (let round = 0; ; round += 1) {
      await store.put('owners', `k${index}`, round % 10 === 0 ? large : 'v', LONG)
    }
  })
}

/** Uses the store and comes to its end, with or without closing it. */
async function useAndEnd(): Promise<void> {
  const store = await openStore()
  await store.claim('owners', name, 'v', LONG)
  await store.get('owners', name)
  if (name === 'closes') await store.close()
  say('done')
}

/** Takes the lock on the file and keeps it. */
function holdLock(): void {
  const root = open({ path: directory, noSubdir: false, overlappingSync: false })
  root.transactionSync(() => {
    say('holding')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
}

/** Says why an unprivileged user can't open the store. */
async function tryToOpen(): Promise<void> {
  if (process.getuid?.() === 0) process.setuid?.(65534)
  try {
    await (await openStore()).close()
    say('opened')
  } catch (error) {
    say(String(error))
  }
}

/** Says why a store can't be opened with what is damaged accepted. */
async function openAccepting(): Promise<void> {
  try {
    await (await openFileStore(directory, { now: Date.now, accept: true })).close()
    say('opened')
  } catch (error) {
    say(String(error))
  }
}

/** Claims keys that were all claimed before, and says which were taken for new. */
async function claimKnown(): Promise<void> {
  const store = await openStore().catch(() => undefined)
  if (store === undefined) return say('not opened')
  const outcomes = new Set<string>()
  for (let index = 0; index < 100; index += 1) {
    const current = await store.claim('idempotency', `k${index}`, 'again', LONG).catch(() => 'refused')
    if (current === undefined) say(`new k${index}`)
    outcomes.add(current === 'refused' ? 'refused' : 'known')
  }
  say(outcomes.has('refused') ? 'refused' : 'known')
  process.exit()
}

const roles: Record<string, () => void | Promise<void>> = {
  race,
  claimForEver,
  exitWhileWriting,
  useAndEnd,
  holdLock,
  tryToOpen,
  openAccepting,
  claimKnown,
}
await roles[role]?.()
