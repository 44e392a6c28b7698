import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send } from '../support/http.ts'
import { openSocket, type RawConnection } from '../support/socket.ts'
import { until } from '../support/within.ts'

// Node begins every request of a connection as it comes, and does not say of an answer that is queued behind
// another one that its connection is gone: ten connections took all places of a gateway for ten minutes.

const PLACES = 2_000

let gateway: TestGateway
let taskID: string
beforeAll(async () => {
  gateway = await startTestGateway({ env: { MAX_CONCURRENT_RUNS: String(PLACES), METRICS_PORT: '0' } })
  taskID = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json.taskID
})
beforeEach(async () => {
  await until(() => waiting() === 0, 'places are held from the test before')
  gateway.logs.length = 0
})
afterAll(() => gateway.close())

const waiting = () => gateway.gateway.polling().requests
const HEAD = `host: gateway\r\nauthorization: Bearer ${TOKEN}\r\n`
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HEAD}${headers}\r\n`
const waitFor = (headers = '') => get(`/tasks/${taskID}/result?wait=600`, headers)
const lines = () => gateway.logs.filter(({ msg }) => msg === 'request')

test('ten connections with 1,010 waits each leave places for everyone, and none once they are gone', async () => {
  const connections = await Promise.all(Array.from({ length: 10 }, () => openSocket(gateway.url)))
  for (const { socket } of connections) socket.write(waitFor().repeat(1_010))
  await until(() => waiting() > 0 || lines().length > 0, 'no wait began')
  expect((await send(`${gateway.url}/run`, { body: runOf('echo') })).status).toBe(200)
  for (const { socket } of connections) socket.destroy()
  await until(() => waiting() === 0, 'places are held for callers that have left')
})

describe('a caller that leaves is noticed', () => {
  test.each([
    ['with waits behind its wait', () => waitFor().repeat(50)],
    ['with answers behind its wait', () => waitFor() + get(`/tasks/${'x'.repeat(100)}`).repeat(200)],
    ['with events behind its wait', () => waitFor() + get(`/tasks/${taskID}/events`).repeat(20)],
    ['with a body that nobody reads', () => waitFor('content-length: 60000\r\n') + ' '.repeat(59_999)],
  ])('%s', async (_what, bytes) => {
    const { socket } = await openSocket(gateway.url)
    socket.write(bytes())
    await until(() => waiting() > 0, 'no wait began')
    // Another request shows that the gateway has had its turn at the bytes.
    expect((await send(`${gateway.url}/livez`)).status).toBe(200)
    expect(waiting()).toBe(1)
    socket.destroy()
    await until(() => waiting() === 0, 'a place is held for a caller that has left')
    await until(() => lines().some(({ left }) => left), 'there is no line of the one that left')
    expect(lines().filter(({ route }) => route !== '/livez')).toHaveLength(1)
    const counted = /http_requests_total\{[^}]*result[^}]*status="499"[^}]*\} \d/
    expect(await metrics()).toMatch(counted)
  })

  test.each([
    ['with a large body ahead of its turn', () => waitFor() + post('x'.repeat(100_000))],
    [
      'with an endless body that nobody reads',
      () => waitFor('transfer-encoding: chunked\r\n') + chunk(100_000),
    ],
    ['with more requests than may be sent ahead', () => waitFor().repeat(300)],
  ])('%s: its connection is cut', async (_what, bytes) => {
    const connection = await openSocket(gateway.url)
    connection.socket.write(bytes())
    await until(() => connection.socket.closed, 'the connection was not cut')
    await until(() => waiting() === 0, 'a place is held for a caller that was cut off')
    expect(gateway.emulator.tasks()).toHaveLength(2)
  })
})

describe('requests sent ahead', () => {
  test('are answered in their order, each with its own answer', async () => {
    const connection = await openSocket(gateway.url)
    const ids = Array.from({ length: 200 }, (_, at) => `id-${at}`)
    connection.socket.write(ids.map((id) => get('/livez', `x-request-id: ${id}\r\n`)).join(''))
    await connection.see('x-request-id: id-199')
    expect([...connection.received().matchAll(/x-request-id: (id-\d+)/g)].map(([, id]) => id)).toEqual(ids)
    connection.socket.destroy()
  })

  test('with their bodies make their tasks one after the other', async () => {
    const connection = await openSocket(gateway.url)
    const before = gateway.emulator.tasks().length
    const body = JSON.stringify(runOf('echo'))
    connection.socket.write(post(body).repeat(3) + get('/livez'))
    await connection.see('"ok"')
    expect(statuses(connection)).toEqual(['202', '202', '202', '200'])
    expect(gateway.emulator.tasks().length - before).toBe(3)
    connection.socket.destroy()
  })

  test('after the last answer of their connection are not begun', async () => {
    const closing = await startTestGateway({ emulator: gateway.emulator })
    const own = (await send(`${closing.url}/tasks`, { body: runOf('hold') })).json.taskID
    const connection = await openSocket(closing.url)
    const before = gateway.emulator.tasks().length
    connection.socket.write(get(`/tasks/${own}/result?wait=600`) + post(JSON.stringify(runOf('echo'))))
    await until(() => closing.gateway.polling().requests > 0, 'the wait did not begin')
    const closed = closing.gateway.close()
    await until(() => connection.socket.closed, 'the connection was not closed')
    await closed
    expect(statuses(connection)).toEqual(['202'])
    expect(gateway.emulator.tasks().length).toBe(before)
  })
})

const post = (body: string) =>
  `POST /tasks HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`
const statuses = ({ received }: RawConnection) =>
  [...received().matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)

/** The figures as a scraper reads them, from a port that opens for this. */
async function metrics(): Promise<string> {
  const { metricsServer } = gateway.gateway
  port ??= await metricsServer?.listen({ host: '127.0.0.1', port: 0 })
  return (await send(`http://127.0.0.1:${port}/metrics`, { token: null })).text
}
let port: number | undefined
