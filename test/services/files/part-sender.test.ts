import { expect, test } from 'vitest'
import type { Part, PartOutcome } from '../../../src/cloud/part-uploader.ts'
import { PartSender } from '../../../src/services/files/part-sender.ts'

const STORED: PartOutcome = { kind: 'stored', wasSent: true }
const RETRYABLE: PartOutcome = {
  kind: 'failed',
  failure: { code: 'upstream_error', retryable: true },
  mayRetry: true,
  retryAfterMs: 1,
}

/** A sender whose tries are settled by the test, in the order in which they began. */
function startSender() {
  const tries: { part: Part; settle: (outcome: PartOutcome) => void }[] = []
  const abort = new AbortController()
  const stored: number[] = []
  const sender = new PartSender({
    partUploader: { put: (part) => new Promise((settle) => tries.push({ part, settle })) },
    random: () => 0,
    abort,
    onStored: (bytes) => stored.push(bytes),
  })
  return { sender, tries, abort, stored }
}

const partOf = (bytes: number): Part => ({ url: new URL('https://store.test/'), chunks: [], bytes })
const released: boolean[] = []
const release = (wasSent: boolean) => released.push(wasSent)

/** Lets everything go on that waits for nothing outside. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

async function startParts(sender: PartSender, count: number): Promise<void> {
  for (let bytes = 1; bytes <= count; bytes++) {
    await sender.acquireSlot()
    sender.send(partOf(bytes), release)
  }
}

test('four parts are under way at once, the fifth waits for a slot', async () => {
  const { sender, tries, stored } = startSender()
  await startParts(sender, 4)
  let hasSlot = false
  const fifth = sender.acquireSlot().then(() => {
    hasSlot = true
  })
  await settled()
  expect([tries.length, hasSlot]).toEqual([4, false])
  tries[2]?.settle(STORED)
  await fifth
  sender.send(partOf(5), release)
  let isFinished = false
  const finished = sender.finish().then(() => {
    isFinished = true
  })
  for (const at of [0, 1, 3]) tries[at]?.settle(STORED)
  await settled()
  expect(isFinished).toBe(false)
  tries[4]?.settle(STORED)
  await finished
  expect(stored).toEqual([3, 1, 2, 4, 5])
})

test('the memory of a part may be used again only if its first try was the last', async () => {
  const { sender, tries } = startSender()
  released.length = 0
  await startParts(sender, 2)
  tries[0]?.settle(STORED)
  tries[1]?.settle(RETRYABLE)
  await expect.poll(() => tries.length).toBe(3)
  tries[2]?.settle(STORED)
  await sender.finish()
  expect(released).toEqual([true, false])
})

test('a part that fails three times ends all the others', async () => {
  const { sender, tries, abort } = startSender()
  released.length = 0
  await startParts(sender, 2)
  for (const at of [0, 2, 3]) {
    await expect.poll(() => tries.length).toBeGreaterThan(at)
    expect(abort.signal.aborted).toBe(false)
    tries[at]?.settle(RETRYABLE)
  }
  await expect(sender.finish()).rejects.toMatchObject({ failure: { code: 'upstream_error' } })
  expect([abort.signal.aborted, tries.length]).toEqual([true, 4])
  tries[1]?.settle({ ...RETRYABLE, failure: { code: 'upstream_timeout' } })
  await settled()
  // The first failure stays the reason.
  expect(sender.error).toMatchObject({ failure: { code: 'upstream_error' } })
  expect(released).toEqual([false, false])
})

test('a failure that may not be retried is not', async () => {
  const { sender, tries } = startSender()
  await startParts(sender, 1)
  tries[0]?.settle({ ...RETRYABLE, mayRetry: false })
  await expect(sender.finish()).rejects.toMatchObject({ failure: { code: 'upstream_error' } })
  await expect(sender.acquireSlot()).rejects.toMatchObject({ failure: { code: 'upstream_error' } })
  expect(tries).toHaveLength(1)
})
