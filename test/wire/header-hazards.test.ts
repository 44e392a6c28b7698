import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send, sendExactly, sendRaw, toAnswer } from '../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../support/problem.ts'
import { openSocket } from '../support/socket.ts'

const gateway = await startTestGateway()
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const BODY = JSON.stringify(runOf('echo'))
const FILL = Array.from({ length: 2100 }, () => 'a:')

describe('headers past the 2,000th line, which Node drops', () => {
  test('an Authorization counts', async () => {
    const answer = await sendExactly(gateway.url, '/queue', {
      token: null,
      headers: [...FILL, `authorization: Bearer ${TOKEN}`],
    })
    expect(answer.status).toBe(200)
  })

  test('a second Authorization is seen', async () => {
    const headers = [...FILL, `authorization: Bearer ${TOKEN}`]
    expectProblem(await sendExactly(gateway.url, '/queue', { headers }), 400, 'invalid_request')
    expectNothingUpstream(gateway.emulator.counts())
  })
})

test.each([
  ['Host', 'host: other'],
  ['Content-Type', 'Content-Type: application/json'],
  ['Idempotency-Key', 'idempotency-key: b'],
  ['Origin', 'origin: https://b.example'],
])('%s twice is 400', async (name, second) => {
  const headers = [
    'content-type: application/json',
    'idempotency-key: a',
    'origin: https://a.example',
    second,
  ]
  const answer = await sendExactly(gateway.url, '/run', { method: 'POST', headers, body: BODY })
  const { errors } = expectProblem(answer, 400, 'invalid_request')
  expect(errors).toEqual([{ path: name.toLowerCase(), message: 'appears more than once' }])
  expectNothingUpstream(gateway.emulator.counts())
})

describe('what is no HTTP', () => {
  test.each([
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['HTTP/3.0', 'GET /livez HTTP/3.0\r\nhost: a\r\n\r\n'],
    ['a header of 20 KiB', `GET /livez HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(20 * 1024)}\r\n\r\n`],
    ['a target of 20 KiB', `GET /${'a'.repeat(20 * 1024)} HTTP/1.1\r\nhost: a\r\n\r\n`],
    ['a control byte in a header', 'GET /livez HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n'],
    ['a space in a header name', 'GET /livez HTTP/1.1\r\nhost: a\r\nx : a\r\n\r\n'],
    ['a negative length', 'POST /run HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n'],
    ['two lengths', 'POST /run HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    [
      'length and chunks',
      'POST /run HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
  ])('%s is answered with 400, and the connection goes', async (_what, bytes) => {
    const answer = toAnswer(await sendRaw(gateway.url, Buffer.from(bytes, 'latin1')))
    expect(answer.status).toBe(400)
    expect(answer.headers.connection).toBe('close')
    expectProblem(answer, 400, 'invalid_request')
    expect(answer.text).not.toContain('HPE_')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('no Host is 400', async () => {
    expect(await sendRaw(gateway.url, 'GET /livez HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /)
  })

  test('behind a request that is still waiting cuts the connection, and is not mixed into its answer', async () => {
    const connection = await openSocket(gateway.url)
    const body = JSON.stringify(runOf('hold'))
    const arrived = gateway.emulator.arrived('create')
    connection.socket.write(
      `POST /run HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${TOKEN}\r\naccept: text/event-stream\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await arrived
    await connection.see('event: created')
    connection.socket.write('\x00garbage\r\n\r\n')
    const text = await connection.closed()
    expect(text).not.toContain('400 Bad Request')
  })
})

describe('X-Request-ID', () => {
  test.each(['a', 'req-1.2:3_4', 'a'.repeat(64), '550e8400-e29b-41d4-a716-446655440000'])(
    '%s is honoured',
    async (id) => {
      const answer = await send(`${gateway.url}/nowhere`, { headers: { 'x-request-id': id } })
      expect([answer.headers['x-request-id'], answer.json.requestId]).toEqual([id, id])
    },
  )

  test.each(['a'.repeat(65), 'a'.repeat(5000), 'a b', '', 'ä', '<script>', '{jndi:x}', 'a/b'])(
    '%s is replaced',
    async (id) => {
      const answer = await sendExactly(gateway.url, '/nowhere', { headers: [`x-request-id: ${id}`] })
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
      expect(answer.json.requestId).toBe(answer.headers['x-request-id'])
    },
  )

  test('two of them are replaced', async () => {
    const answer = await sendExactly(gateway.url, '/nowhere', {
      headers: ['x-request-id: a', 'x-request-id: b'],
    })
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })
})
