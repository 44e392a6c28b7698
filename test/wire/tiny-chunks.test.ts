import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { heldMemory, tinyChunks, writeAll } from '../support/held-memory.ts'
import { runOf, send } from '../support/http.ts'
import { openSocket, type RawConnection } from '../support/socket.ts'
import { until } from '../support/within.ts'

// A Buffer for each chunk costs some 350 bytes: one-byte chunks made 1.4 GB of a body of 25 MB.

const MIB = 2 ** 20
const PAYLOAD_BYTES = 256 * 1024
const WIRE = tinyChunks(Buffer.alloc(PAYLOAD_BYTES, 'x'))
/**
 * Twice the payload, and what a connection costs beside it: Node has parsed up to one read (64 KiB) and its mark
 * (16 KiB) before it learns that a body is held back.
 */
const ALLOWED_BYTES = 2 * PAYLOAD_BYTES + 12 * MIB

let gateway: TestGateway
/** Connections as the gateway sees them. */
let accepted: Socket[] = []
beforeAll(async () => {
  gateway = await startGateway({})
})
beforeEach(() => {
  accepted = []
})
const opened: RawConnection[] = []
afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.destroy()
})
afterAll(() => gateway.close())

async function startGateway(options: Parameters<typeof startTestGateway>[0]): Promise<TestGateway> {
  const started = await startTestGateway({ env: { MAX_BODY_BYTES: String(4 * MIB) }, ...options })
  started.gateway.app.server.on('connection', (socket: Socket) => accepted.push(socket))
  return started
}

const head = (start: string, ...headers: string[]) =>
  `${[`${start} HTTP/1.1`, 'host: 127.0.0.1', `authorization: Bearer ${TOKEN}`, 'transfer-encoding: chunked', 'connection: close', ...headers].join('\r\n')}\r\n\r\n`

const chunk = (content: string) => `${Buffer.byteLength(content).toString(16)}\r\n${content}\r\n`
const JSON_TYPE = 'content-type: application/json'
const FORM_TYPE = 'content-type: multipart/form-data; boundary=b'
const part = (disposition: string) => chunk(`--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`)

/** How much more is held once the gateway has taken `before` and then 256 KiB in one-byte chunks, its body still open. */
async function heldFor(url: string, start: string, before = ''): Promise<number> {
  const connection = await openSocket(url)
  opened.push(connection)
  connection.socket.write(start)
  const heldBefore = await heldMemory()
  await writeAll(connection.socket, Buffer.from(before))
  await writeAll(connection.socket, WIRE)
  const sentBytes = start.length + before.length + WIRE.length
  await until(() => accepted[0]?.bytesRead === sentBytes, 'the gateway did not read the body', 15_000)
  expect(connection.received()).toBe('')
  return (await heldMemory()) - heldBefore
}

describe('256 KiB in one-byte chunks costs what 256 KiB cost', () => {
  test.each([
    ['POST /run', head('POST /run', JSON_TYPE), chunk('{"a":"')],
    ['POST /tasks', head('POST /tasks', JSON_TYPE), chunk('{"a":"')],
    ['a native create', head('POST /v3/users/me/tasks', JSON_TYPE), chunk('{"a":"')],
    ['POST /mcp', head('POST /mcp', JSON_TYPE), chunk('{"a":"')],
    ['the value of a field', head('POST /run', FORM_TYPE), part('name="inputValues"')],
    ['a file of a form', head('POST /files', FORM_TYPE), part('name="a"; filename="a"')],
    ['PUT, read ahead', head('PUT /files/a'), ''],
    ['PUT of a known size', head('PUT /files/a', `x-file-size: ${8 * MIB}`), ''],
    ['PUT, spooled', head('PUT /files/a'), chunk('x'.repeat(9 * MIB))],
  ])('%s', { timeout: 30_000 }, async (_what, start, before) => {
    expect(await heldFor(gateway.url, start, before)).toBeLessThan(ALLOWED_BYTES)
  })

  test('PUT that is held back, because there is no memory for it', { timeout: 30_000 }, async () => {
    const full = await startGateway({ uploadMemoryBytes: 1024, deadlines: { uploadRoomMs: 60_000 } })
    // The first holds what there is, and sends no more.
    const first = await openSocket(full.url)
    opened.push(first)
    first.socket.write(head('PUT /files/a', `x-file-size: ${8 * MIB}`) + chunk('x'))
    await until(() => full.gateway.uploads.heldBytes > 0, 'nothing was held')
    accepted = []
    expect(await heldFor(full.url, head('PUT /files/a', `x-file-size: ${8 * MIB}`))).toBeLessThan(
      ALLOWED_BYTES,
    )
    await full.close()
  })
})

test("upstream's answer in one-byte chunks costs what its bytes cost, and is the same", async () => {
  const value = 'x'.repeat(PAYLOAD_BYTES)
  let finish = () => {}
  const until = new Promise<void>((resolve) => {
    finish = resolve
  })
  gateway.emulator.misbehave('result', { kind: 'tiny-chunks', until }, Infinity)
  const before = await heldMemory()
  const answer = send(`${gateway.url}/run`, { body: runOf('echo', { value }) })
  let most = 0
  for (let sample = 0; sample < 20; sample++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    most = Math.max(most, (await heldMemory()) - before)
  }
  finish()
  const { status, text } = await answer
  expect([status, text.includes(value)]).toEqual([200, true])
  expect(most).toBeLessThan(20 * MIB)
})
