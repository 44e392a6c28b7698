import { expect, test } from 'vitest'
import { FileIntake } from '../../../src/services/files/file-intake.ts'
import { PartBuffer, SlabPool } from '../../../src/services/files/part-buffer.ts'
import { sha256 } from './support/forms.ts'
import { sourceOf } from './support/source.ts'

const BYTES = Buffer.from('0123456789abcdef')
const CHUNKS = [BYTES.subarray(0, 1), BYTES.subarray(1, 11), BYTES.subarray(11)]

function intakeOf(options: { limitBytes?: number; hash?: boolean } = {}) {
  const abort = new AbortController()
  const { limitBytes = BYTES.length, hash = false } = options
  return { abort, intake: new FileIntake(sourceOf(CHUNKS), { limitBytes, hash, signal: abort.signal }) }
}

const collect = (intake: FileIntake, bytes: number) =>
  intake.collect(new PartBuffer(new SlabPool(), bytes), bytes)

test('exact amounts, whatever the chunks were', async () => {
  const { intake } = intakeOf()
  const parts = []
  for (let list = await collect(intake, 5); list.bytes > 0; list = await collect(intake, 5)) {
    parts.push(Buffer.concat(list.chunks).toString())
  }
  expect(parts).toEqual(['01234', '56789', 'abcde', 'f'])
  expect(intake.ended).toBe(true)
})

test('what was put back is read again, and neither counted nor hashed twice', async () => {
  const { intake } = intakeOf({ hash: true })
  intake.putBack((await collect(intake, 7)).chunks)
  expect(intake.isCaughtUp).toBe(false)
  expect(Buffer.concat((await collect(intake, 100)).chunks).equals(BYTES)).toBe(true)
  expect(intake.isCaughtUp).toBe(true)
  expect(intake.bytes).toBe(BYTES.length)
  expect(intake.digest()).toBe(sha256(BYTES))
})

test('no hash unless asked for', async () => {
  const { intake } = intakeOf()
  await collect(intake, 100)
  expect(intake.digest()).toBeUndefined()
})

test('one byte over the limit is too large', async () => {
  await expect(collect(intakeOf({ limitBytes: 15 }).intake, 100)).rejects.toMatchObject({
    failure: { code: 'too_large', limitBytes: 15 },
  })
})

test('an abort ends the wait for a source that gives nothing, and every read after it', async () => {
  const abort = new AbortController()
  const silent = { next: () => new Promise<never>(() => {}) }
  const intake = new FileIntake(silent, { limitBytes: 1, hash: false, signal: abort.signal })
  const next = intake.next()
  abort.abort()
  await expect(next).rejects.toMatchObject({ name: 'UploadAborted' })
  await expect(intake.next()).rejects.toMatchObject({ name: 'UploadAborted' })
})
