import { expect, test } from 'vitest'
import { createLogDestination } from '../../src/commands/log-destination.ts'

type Write = { text: string; done: (error?: Error | null) => void }

/** A destination of ten bytes, and what it writes: nothing is written until a test says so. */
function open(maxBytes = 10) {
  const writes: Write[] = []
  const log = createLogDestination((bytes, done) => writes.push({ text: bytes.toString(), done }), maxBytes)
  return { log, writes }
}

test('what comes during a write is written together after it', () => {
  const { log, writes } = open()
  for (const line of ['a\n', 'b\n', 'c\n']) log.write(line)
  expect(writes.map(({ text }) => text)).toEqual(['a\n'])
  writes[0]?.done()
  expect(writes.map(({ text }) => text)).toEqual(['a\n', 'b\nc\n'])
  expect(log.lostLines).toBe(0)
})

test('lines beyond the bound are lost and counted, until there is room again', () => {
  const { log, writes } = open()
  for (const line of ['1234\n', '5678\n', 'x\n', 'y\nz\n']) log.write(line)
  expect(log.lostLines).toBe(3)
  writes[0]?.done()
  log.write('9\n')
  writes[1]?.done()
  expect(writes.map(({ text }) => text)).toEqual(['1234\n', '5678\n', '9\n'])
  expect(log.lostLines).toBe(3)
})

test('the lines of a write that failed are lost; the next ones are tried', () => {
  const { log, writes } = open()
  log.write('a\n')
  log.write('b\n')
  writes[0]?.done(new Error('ENOSPC'))
  expect([log.lostLines, writes.at(-1)?.text]).toEqual([1, 'b\n'])
})

test('a flush waits for what is written, but not for ever', async () => {
  const { log, writes } = open()
  await log.flush(60_000)
  log.write('a\n')
  await log.flush(1)
  const flushed = log.flush(60_000)
  log.write('b\n')
  writes[0]?.done()
  expect(await Promise.race([flushed.then(() => 'early'), Promise.resolve('waits')])).toBe('waits')
  writes[1]?.done()
  await flushed
})
