import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'
import { until, within } from '../../support/within.ts'
import { FORM_TYPE, field, file, formOf, someBytes } from './support/forms.ts'

const PART = 256 * 1024
let gateway: TestGateway
beforeEach(async () => {
  gateway = await startTestGateway({ emulator: { partSize: PART }, deadlines: { bodyIdleMs: 300 } })
})
afterEach(() => within(gateway.close(), 'the gateway did not close'))

const BYTES = someBytes(8 * PART)

async function open(head: string): Promise<Socket> {
  const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1' })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`${head}host: x\r\nauthorization: Bearer ${TOKEN}\r\n`)
  return socket
}

const FORM = formOf([field('size', String(BYTES.length)), file('a', 'a.bin', BYTES)])
const formHead = `content-type: ${FORM_TYPE}\r\ncontent-length: ${FORM.length}\r\n\r\n`
const WAYS = [
  ['PUT', 'PUT /files/a.bin HTTP/1.1\r\n', `content-length: ${BYTES.length}\r\n\r\n`, BYTES],
  ['a form', 'POST /files HTTP/1.1\r\n', formHead, FORM],
  ['a run', 'POST /run HTTP/1.1\r\n', formHead, FORM],
  ['events', 'POST /run HTTP/1.1\r\naccept: text/event-stream\r\n', formHead, FORM],
] as const

for (const [way, start, head, body] of WAYS) {
  test.each([
    ['at once', 0, 0],
    ['half way', 0.5, 1],
    ['in the last part', 0.99, 4],
  ])(`a caller that leaves %s (${way}) takes everything with it`, async (_what, share, parts) => {
    // Whatever parts arrive are held, so that they are under way when the caller leaves.
    gateway.emulator.misbehave('part', { kind: 'hang' }, share === 0.99 ? 0 : 4)
    const last = { release: () => {} }
    if (share === 0.99) {
      const until = new Promise<void>((resolve) => {
        last.release = resolve
      })
      gateway.emulator.misbehave('part', { kind: 'gate', until, when: 'before-processing' }, Infinity)
    }
    const arrived = parts === 0 ? undefined : gateway.emulator.arrived('part', parts)
    const socket = await open(start)
    socket.write(head)
    socket.write(body.subarray(0, Math.floor(body.length * share)))
    if (arrived !== undefined) await within(arrived, 'the parts did not arrive')
    else await new Promise((resolve) => setTimeout(resolve, 30))
    socket.resetAndDestroy()
    await until(() => gateway.gateway.uploads.heldBytes === 0, 'the memory was not freed', 1_000)
    expect(gateway.emulator.counts()).toMatchObject({ 'upload-url': 0, create: 0 })
    expect(gateway.logs.filter((line) => line.level === 'error' || Number(line.level) >= 50)).toEqual([])
    last.release()
  })
}

test.each(WAYS.slice(0, 3))('a body that stands still is 408: %s', async (_what, start, head, body) => {
  const socket = await open(start)
  socket.write(head)
  socket.write(body.subarray(0, PART + 500))
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await within(once(socket, 'close'), 'the connection did not end', 3_000)
  expect(text).toMatch(/^HTTP\/1\.1 408 /)
  expect(text).toContain('request_timeout')
  expect(gateway.emulator.counts()['upload-url']).toBe(0)
  expect(gateway.gateway.uploads.heldBytes).toBe(0)
})

test('a body that drips is not cut, however long it takes', async () => {
  const bytes = Buffer.from('0123456789')
  const socket = await open('PUT /files/a.txt HTTP/1.1\r\nconnection: close\r\n')
  socket.write(`content-length: ${bytes.length}\r\n\r\n`)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  for (const byte of bytes) {
    await new Promise((resolve) => setTimeout(resolve, 60))
    socket.write(Buffer.of(byte))
  }
  await within(once(socket, 'close'), 'the connection did not end', 3_000)
  expect(text).toMatch(/^HTTP\/1\.1 201 /)
})

test('a part that fails is told although the caller is still sending', async () => {
  gateway.emulator.misbehave('part', { kind: 'status', status: 403 }, Infinity)
  const socket = await open('PUT /files/a.bin HTTP/1.1\r\n')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  // More is announced than ever comes.
  socket.write(`content-length: ${100 * PART}\r\n\r\n`)
  socket.write(BYTES)
  await within(once(socket, 'close'), 'the connection did not end', 3_000)
  expect(text).toMatch(/^HTTP\/1\.1 502 /)
})

test('while draining an upload under way is finished, and a new one is refused', async () => {
  let go = () => {}
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  gateway.emulator.misbehave('part', { kind: 'gate', until: gate, when: 'before-processing' })
  const put = () => send(`${gateway.url}/files/a.bin`, { method: 'PUT', body: BYTES })
  const arrived = gateway.emulator.arrived('part', 1)
  const first = put()
  await arrived
  const closed = gateway.gateway.close()
  const second = await put()
  expect(second.status).toBe(503)
  expect(second.json.code).toBe('draining')
  go()
  expect((await first).status).toBe(201)
  await within(closed, 'the gateway did not close')
})

test('an upload that hangs does not outlive the grace', async () => {
  gateway.emulator.misbehave('part', { kind: 'hang' }, Infinity)
  const arrived = gateway.emulator.arrived('part', 1)
  const answer = send(`${gateway.url}/files/a.bin`, { method: 'PUT', body: BYTES })
  await arrived
  await within(gateway.gateway.close(), 'the gateway did not close')
  expect((await answer).status).toBe(504)
})
