import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, toAnswer } from '../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../support/problem.ts'
import { flood, openSocket } from '../support/socket.ts'
import { until } from '../support/within.ts'

// A refused caller goes on sending, and a server that answers and keeps the connection goes on reading.

const GIB = 1024 ** 3
/** What the kernels on both sides hold of one connection, and then some. */
const BUFFERED_BYTES = 16 * 1024 ** 2

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ deadlines: { bodyMs: 300 } })
})
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const head = (method: string, path: string, ...headers: string[]) =>
  `${[`${method} ${path} HTTP/1.1`, 'host: gateway', ...headers].join('\r\n')}\r\n\r\n`
const BEARER = `authorization: Bearer ${TOKEN}`
const JSON_TYPE = 'content-type: application/json'

const REFUSALS = [
  ['no token', 'POST', '/run', [JSON_TYPE], 401, 'unauthenticated'],
  ['no token, native', 'POST', '/v3/users/me/tasks', [JSON_TYPE], 401, 'unauthenticated'],
  ['two tokens', 'POST', '/tasks', [BEARER, BEARER], 400, 'invalid_request'],
  ['no scope', 'POST', '/queue/pause', [BEARER], 403, 'insufficient_scope'],
  ['no route', 'POST', '/nowhere', [BEARER], 404, 'not_found'],
  ['a path that can not be read', 'POST', '/%zz', [BEARER], 404, 'not_found'],
  ['a wrong method', 'PUT', '/run', [BEARER], 405, 'method_not_allowed'],
  ['a wrong type', 'POST', '/run', [BEARER, 'content-type: text/plain'], 415, 'unsupported_media_type'],
  ['too large a body', 'POST', '/run', [BEARER, JSON_TYPE], 413, 'too_large'],
  ['a GET that brings a body', 'GET', '/tasks/x', [BEARER], 404, 'not_found'],
] as const
/** Refused at three places: before the body is looked at, before it is read, and while it is read. */
const ALSO_CHUNKED: readonly (typeof REFUSALS)[number][0][] = ['no token', 'a wrong type', 'too large a body']

describe.each(REFUSALS)('a GiB with %s', (what, method, path, headers, status, code) => {
  const forms = [
    ['of a known length', `content-length: ${GIB}`, ''],
    ['in one endless chunk', 'transfer-encoding: chunked', `${GIB.toString(16)}\r\n`],
  ] as const

  test.each(ALSO_CHUNKED.includes(what) ? forms : forms.slice(0, 1))(
    '%s is answered, and not read',
    async (_form, length, start) => {
      const connection = await openSocket(gateway.url)
      connection.socket.write(head(method, path, ...headers, length) + start)
      const written = await flood(connection.socket, GIB)
      expect(written).toBeLessThan(BUFFERED_BYTES)
      const answer = toAnswer(await connection.closed())
      expectProblem(answer, status, code)
      expect(answer.headers.connection).toBe('close')
      expectNothingUpstream(gateway.emulator.counts())
    },
  )
})

test('a caller that waits with its body is answered and its connection closed', async () => {
  const connection = await openSocket(gateway.url)
  connection.socket.write(head('POST', '/run', JSON_TYPE, 'content-length: 1000'))
  expectProblem(toAnswer(await connection.closed()), 401, 'unauthenticated')
})

describe('Expect: 100-continue', () => {
  const EXPECT = 'expect: 100-continue'
  const body = JSON.stringify(runOf('echo'))

  test.each([
    ['no token', [JSON_TYPE, EXPECT, 'content-length: 100'], 401, 'unauthenticated'],
    ['too large a body', [BEARER, JSON_TYPE, EXPECT, `content-length: ${GIB}`], 413, 'too_large'],
    ['a wrong type', [BEARER, EXPECT, 'content-length: 100'], 415, 'unsupported_media_type'],
    [
      'a coded body',
      [BEARER, JSON_TYPE, EXPECT, 'content-encoding: gzip', 'content-length: 9'],
      415,
      'unsupported_media_type',
    ],
  ] as const)('with %s gets its answer and no 100', async (_what, headers, status, code) => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(head('POST', '/run', ...headers))
    expectProblem(toAnswer(await connection.closed()), status, code)
  })

  test('with a token gets the 100, and then its answer', async () => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(
      head('POST', '/run', BEARER, JSON_TYPE, EXPECT, 'connection: close', `content-length: ${body.length}`),
    )
    await connection.see('HTTP/1.1 100 Continue\r\n\r\n')
    connection.socket.write(body)
    expect(await connection.closed()).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
  })

  test('with another expectation is 417', async () => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(head('GET', '/livez', 'expect: 200-ok', 'connection: close'))
    expect(await connection.closed()).toMatch(/^HTTP\/1.1 417 /)
  })
})

describe('a body that does not come', () => {
  test.each([
    ['at all', ''],
    ['but for its beginning', '{"packageName":'],
  ])('%s is 408, and the connection goes', async (_what, beginning) => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(head('POST', '/run', BEARER, JSON_TYPE, 'content-length: 1000') + beginning)
    const answer = toAnswer(await connection.closed())
    expectProblem(answer, 408, 'request_timeout')
    expect(answer.headers.connection).toBe('close')
  })

  test('but in drips is 408 as well', async () => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(head('POST', '/tasks', BEARER, JSON_TYPE, 'content-length: 1000'))
    const drip = setInterval(() => connection.socket.write(' '), 20)
    const text = await connection.closed().finally(() => clearInterval(drip))
    expectProblem(toAnswer(text), 408, 'request_timeout')
  })

  test('because its caller has left is logged as that', async () => {
    gateway.logs.length = 0
    const connection = await openSocket(gateway.url)
    connection.socket.write(
      `${head('POST', '/run', BEARER, JSON_TYPE, 'content-length: 1000', 'x-request-id: left')}{`,
    )
    connection.socket.destroySoon()
    await until(() => gateway.logs.length > 0, 'the request left no line')
    expect(gateway.logs).toEqual([
      expect.objectContaining({ reqId: 'left', left: true, failure: 'invalid_request' }),
    ])
    expectNothingUpstream(gateway.emulator.counts())
  })
})

test('a small body that is not read costs its caller only the connection', async () => {
  const connection = await openSocket(gateway.url)
  connection.socket.write(`${head('GET', '/livez', 'content-length: 2')}{}`)
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 200 OK/)
})
