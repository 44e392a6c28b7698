import { afterEach, describe, expect, test } from 'vitest'
import { OTHER_TOKEN, startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { send, toAnswer } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { openSocket, type RawConnection } from '../support/socket.ts'
import { until, within } from '../support/within.ts'

// Uploads that send a byte now and then took whole parts of memory each, and with them everybody's uploads.

const MIB = 2 ** 20
const FORM = 'content-type: multipart/form-data; boundary=b'

let gateway: TestGateway
const opened: RawConnection[] = []
afterEach(async () => {
  for (const { socket } of opened.splice(0)) socket.destroy()
  await within(gateway.close(), 'the gateway did not close')
})

const head = (start: string, ...headers: string[]) =>
  `${[`${start} HTTP/1.1`, 'host: 127.0.0.1', `authorization: Bearer ${TOKEN}`, ...headers].join('\r\n')}\r\n\r\n`

async function open(bytes: string): Promise<RawConnection> {
  const connection = await openSocket(gateway.url)
  opened.push(connection)
  connection.socket.write(bytes)
  return connection
}

const put = (token: string) =>
  send(`${gateway.url}/files/a`, { method: 'PUT', token, body: Buffer.alloc(9 * MIB) })

test.each([
  ['PUT', `${head('PUT /files/a', `content-length: ${64 * MIB}`)}x`],
  ['PUT of an unknown size', `${head('PUT /files/a', 'transfer-encoding: chunked')}1\r\nx\r\n`],
  [
    'a form',
    `${head('POST /files', FORM, `content-length: ${64 * MIB}`)}--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx${' '.repeat(100)}`,
  ],
])('120 uploads that hardly send shut nobody out: %s', async (_what, bytes) => {
  gateway = await startTestGateway({ emulator: { partSize: 8 * MIB } })
  for (let count = 0; count < 120; count++) await open(bytes)
  await until(() => gateway.gateway.uploads.heldBytes >= 30 * MIB, 'the uploads did not begin')
  expect(gateway.gateway.uploads.heldBytes).toBeLessThan(64 * MIB)
  const answers = await within(Promise.all([put(TOKEN), put(OTHER_TOKEN)]), 'no answer', 10_000)
  expect(answers.map(({ status }) => status)).toEqual([201, 201])
})

test('the places for uploads are bounded for a caller, and the rest is for the others', async () => {
  gateway = await startTestGateway()
  for (let count = 0; count < 128; count++) await open(`${head('PUT /files/a', 'content-length: 100')}x`)
  await until(() => gateway.gateway.uploads.heldBytes >= 128 * 100, 'the uploads did not begin')
  const refused = [
    put(TOKEN),
    send(`${gateway.url}/files`, {
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b--',
    }),
  ]
  for (const answer of await Promise.all(refused)) {
    expectProblem(answer, 429, 'rate_limited')
    expect(answer.headers['retry-after']).toBe('5')
  }
  expect((await put(OTHER_TOKEN)).status).toBe(201)
  // A place comes back with the caller that leaves.
  opened.pop()?.socket.resetAndDestroy()
  await until(() => gateway.gateway.uploads.heldBytes < 128 * 100, 'the memory was not freed')
  expect((await put(TOKEN)).status).toBe(201)
})

describe('a body that comes more slowly than 8 KiB a second', () => {
  const field = '--b\r\nContent-Disposition: form-data; name="packageName"\r\n\r\n'
  const file = '--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
  test.each([
    ['JSON', head('POST /run', 'content-type: application/json', 'content-length: 100000')],
    ['MCP', head('POST /mcp', 'content-type: application/json', 'content-length: 100000')],
    ['PUT', head('PUT /files/a', 'content-length: 100000')],
    ['PUT of an unknown size', `${head('PUT /files/a', 'transfer-encoding: chunked')}10000\r\n`],
    ['the file of a form', head('POST /files', FORM, 'content-length: 100000') + file],
    ['a field of a form', head('POST /run', FORM, 'content-length: 100000') + field],
  ])('is 408 after the window: %s', async (_what, start) => {
    gateway = await startTestGateway({ deadlines: { bodyMs: 400, bodyIdleMs: 10_000 } })
    const connection = await open(start)
    // Something comes all the time, so it is never still.
    const drip = setInterval(() => connection.socket.write('x'.repeat(20)), 20)
    const text = await connection.closed().finally(() => clearInterval(drip))
    expectProblem(toAnswer(text), 408, 'request_timeout')
    await until(() => gateway.gateway.uploads.heldBytes === 0, 'the memory was not freed')
  })

  test('is not what we make slow by holding it back', async () => {
    gateway = await startTestGateway({
      emulator: { partSize: MIB },
      deadlines: { bodyMs: 200, bodyIdleMs: 200, partMs: 10_000 },
    })
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    gateway.emulator.misbehave('part', { kind: 'slow-read', until: gate }, 4)
    const arrived = gateway.emulator.arrived('part', 4)
    const answer = put(TOKEN)
    await arrived
    await new Promise((resolve) => setTimeout(resolve, 800))
    release()
    expect((await answer).status).toBe(201)
  })
})
