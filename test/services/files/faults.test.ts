import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Fault } from '../../../src/emulator/emulator.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'
import { until } from '../../support/within.ts'
import { sha256, someBytes } from './support/forms.ts'

const PART = 256 * 1024
let gateway: TestGateway
beforeEach(async () => {
  gateway = await startTestGateway({
    emulator: { partSize: PART },
    deadlines: { partMs: 300, readMs: 400, uploadRoomMs: 200 },
    uploadMemoryBytes: 16 * 1024 * 1024,
  })
})
afterEach(() => gateway.close())

const BYTES = someBytes(6 * PART + 1)
const put = () => send(`${gateway.url}/files/x.pdf`, { method: 'PUT', body: BYTES })
const always = Number.POSITIVE_INFINITY

function nothingIsHeld() {
  expect(gateway.gateway.uploads.heldBytes).toBe(0)
}

test.each<[string, Fault, number]>([
  ['is stalled', { kind: 'hang' }, 1],
  ['is reset before it is read', { kind: 'reset', when: 'before-processing' }, 1],
  ['is reset after it was stored', { kind: 'reset', when: 'before-answer' }, 2],
  ['is answered with 500', { kind: 'status', status: 500 }, 2],
  ['is answered with 503', { kind: 'status', status: 503, headers: { 'retry-after': '0' } }, 2],
  ['is answered with 429', { kind: 'status', status: 429 }, 1],
  ['is answered early with 500', { kind: 'early-answer', status: 500 }, 1],
  ['gets no answer', { kind: 'no-answer-close' }, 2],
])('a part that %s is sent again, and the file is whole', async (_what, fault, times) => {
  gateway.emulator.misbehave('part', fault, times)
  const answer = await put()
  expect(answer.status, answer.text).toBe(201)
  const [upload] = gateway.emulator.uploads()
  expect(upload).toMatchObject({ finalised: true, sha256: sha256(BYTES) })
  expect(gateway.emulator.counts().part).toBe(7 + times)
  nothingIsHeld()
})

test.each<[string, Fault, number, string, number]>([
  ['is always stalled', { kind: 'hang' }, 504, 'upstream_timeout', 3],
  ['is always reset', { kind: 'reset', when: 'before-processing' }, 502, 'upstream_unreachable', 3],
  ['is always 500', { kind: 'status', status: 500 }, 502, 'upstream_error', 3],
  ['is always 503', { kind: 'status', status: 503 }, 503, 'upstream_unavailable', 3],
  ['is 403', { kind: 'status', status: 403 }, 502, 'upstream_error', 1],
  ['is 403 before it is read', { kind: 'early-answer', status: 403 }, 502, 'upstream_error', 1],
  [
    'is redirected',
    { kind: 'redirect', location: 'http://127.0.0.1:1/' },
    502,
    'upstream_invalid_response',
    1,
  ],
  ['is 999', { kind: 'status', status: 999 }, 502, 'upstream_invalid_response', 1],
])('a part that %s ends the upload', async (_what, fault, status, code, tries) => {
  gateway.emulator.misbehave('part', fault, always)
  const answer = await put()
  expect(answer.status, answer.text).toBe(status)
  expect(answer.json.code).toBe(code)
  expect(answer.text).not.toMatch(/127\.0\.0\.1|signature|undici/)
  // Four parts at most were under way, each sent at most so often.
  expect(gateway.emulator.counts().part).toBeLessThanOrEqual(4 * tries)
  expect(gateway.emulator.counts()['upload-url']).toBe(0)
  await until(() => gateway.gateway.uploads.heldBytes === 0, 'the memory was not freed', 1_000)
})

test('a store that is slow to read holds the caller back', async () => {
  let go = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  gateway.emulator.misbehave('part', { kind: 'slow-read', until: gate }, 4)
  const arrived = gateway.emulator.arrived('part', 4)
  const answer = put()
  await arrived
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(gateway.emulator.counts().part).toBe(4)
  expect(gateway.gateway.uploads.heldBytes).toBeLessThanOrEqual(4 * PART)
  go()
  expect((await answer).status).toBe(201)
})

test.each<[string, Fault, number]>([
  ['reset', { kind: 'reset', when: 'before-processing' }, 1],
  ['500', { kind: 'status', status: 500 }, 2],
  ['503', { kind: 'status', status: 503, headers: { 'retry-after': '0' } }, 2],
])('finalising is asked for again after a %s', async (_what, fault, times) => {
  gateway.emulator.misbehave('upload-url', fault, times)
  expect((await put()).status).toBe(201)
  expect(gateway.emulator.counts().part).toBe(7)
})

test.each<['upload-init' | 'upload-url', Fault, number, string]>([
  ['upload-init', { kind: 'hang' }, 504, 'upstream_timeout'],
  ['upload-init', { kind: 'status', status: 500 }, 502, 'upstream_error'],
  ['upload-init', { kind: 'status', status: 401 }, 502, 'upstream_auth_failed'],
  ['upload-init', { kind: 'status', status: 402 }, 402, 'insufficient_quota'],
  ['upload-init', { kind: 'status', status: 400, body: '{"message":"too big"}' }, 400, 'upstream_rejected'],
  ['upload-init', { kind: 'html' }, 502, 'upstream_invalid_response'],
  ['upload-init', { kind: 'truncated-json' }, 502, 'upstream_invalid_response'],
  ['upload-init', { kind: 'redirect', location: 'http://127.0.0.1:1/' }, 502, 'upstream_invalid_response'],
  ['upload-url', { kind: 'hang' }, 504, 'upstream_timeout'],
  ['upload-url', { kind: 'status', status: 500 }, 502, 'upstream_error'],
  ['upload-url', { kind: 'status', status: 404 }, 404, 'not_found'],
  ['upload-url', { kind: 'html' }, 502, 'upstream_invalid_response'],
])('%s that misbehaves: %j', async (operation, fault, status, code) => {
  gateway.emulator.misbehave(operation, fault, always)
  const answer = await put()
  expect(answer.status, answer.text).toBe(status)
  expect(answer.json.code).toBe(code)
  nothingIsHeld()
})

test('an init whose connection breaks is made once more', async () => {
  gateway.emulator.misbehave('upload-init', { kind: 'reset', when: 'before-answer' })
  expect((await put()).status).toBe(201)
  expect(gateway.emulator.counts()['upload-init']).toBe(2)
})

test('an upload that finds no room in memory is told to come again', async () => {
  gateway.emulator.misbehave('part', { kind: 'hang' }, always)
  const small = await startTestGateway({
    emulator: gateway.emulator,
    // Half of it is for one caller.
    uploadMemoryBytes: 8 * PART,
    deadlines: { uploadRoomMs: 100, partMs: 5_000 },
  })
  const leave = new AbortController()
  const url = `${small.url}/files/x.pdf`
  const first = send(url, { method: 'PUT', body: BYTES, signal: leave.signal })
  first.catch(() => {})
  await gateway.emulator.arrived('part', 4)
  const answer = await send(url, { method: 'PUT', body: BYTES })
  expect(answer.status).toBe(503)
  expect(answer.json.code).toBe('overloaded')
  expect(answer.headers['retry-after']).toBe('5')
  leave.abort()
  await until(() => small.gateway.uploads.heldBytes === 0, 'the memory was not freed', 3_000)
  await small.close()
})

test('uploads that wait for room get it in their turn', async () => {
  const small = await startTestGateway({ emulator: gateway.emulator, uploadMemoryBytes: 2 * PART })
  const url = `${small.url}/files/x.pdf`
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => send(url, { method: 'PUT', body: BYTES })),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
  expect(small.gateway.uploads.heldBytes).toBe(0)
  await small.close()
})
