import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send } from '../support/http.ts'
import { openSocket, type RawConnection } from '../support/socket.ts'
import { until } from '../support/within.ts'

// A caller that asks and does not read keeps its answer in the gateway's memory: a hundred readers of one result of
// 8 MiB held 960 MB, for ever.

const MIB = 2 ** 20
const RESULT_BYTES = 8 * MIB
const UNREAD_MS = 1_500

let gateway: TestGateway
let patient: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ deadlines: { unreadMs: UNREAD_MS, keepAliveMs: 100 } })
  patient = await startTestGateway()
})
const open: RawConnection[] = []
afterEach(() => {
  for (const { socket } of open.splice(0)) socket.destroy()
})
afterAll(async () => {
  await gateway.close()
  await patient.close()
})

async function createHeld({ url }: TestGateway): Promise<string> {
  return (await send(`${url}/tasks`, { body: runOf('hold') })).json.taskID
}

function finish({ emulator }: TestGateway, taskID: string): void {
  emulator.finish(taskID, { status: 'success', resultData: { value: 'x'.repeat(RESULT_BYTES) } })
}

/** Asks, and reads nothing of the answer until it is told to. */
async function askAndNotRead({ url }: TestGateway, request: string): Promise<RawConnection> {
  const connection = await openSocket(url)
  open.push(connection)
  connection.socket.pause()
  connection.socket.write(request)
  return connection
}

const HEAD = `host: 127.0.0.1\r\nauthorization: Bearer ${TOKEN}\r\n`
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HEAD}${headers}\r\n`
const MCP = 'accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n'
const callTool = (taskID: string) => {
  const params = { name: 'await_result', arguments: { taskID, waitSeconds: 60 } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  return `POST /mcp HTTP/1.1\r\n${HEAD}${MCP}content-length: ${body.length}\r\n\r\n${body}`
}
const lines = ({ logs }: TestGateway) => logs.filter(({ msg, left }) => msg === 'request' && left === true)

describe('a caller that reads nothing is cut', () => {
  test.each([
    ['a result', (id: string) => get(`/tasks/${id}/result?wait=60`)],
    ['events', (id: string) => get(`/tasks/${id}/events?wait=60`)],
    ['a stream of MCP', callTool],
  ])('%s', async (_what, ask) => {
    const taskID = await createHeld(gateway)
    gateway.logs.length = 0
    await askAndNotRead(gateway, ask(taskID))
    await until(() => gateway.gateway.polling().requests === 1, 'no wait began')
    finish(gateway, taskID)
    await until(() => lines(gateway).length === 1, 'it was not cut', 8_000)
  })

  test('and one that reads slowly is not, until it has read all', async () => {
    const taskID = await createHeld(gateway)
    finish(gateway, taskID)
    const { socket } = await askAndNotRead(gateway, get(`/tasks/${taskID}/result`, 'connection: close\r\n'))
    // Some of it several times in the time that it has for any of it.
    let read = 0
    socket.on('data', (chunk) => {
      read += chunk.length
      if (read % MIB < chunk.length) {
        socket.pause()
        setTimeout(() => socket.resume(), UNREAD_MS / 5)
      }
    })
    socket.resume()
    await until(() => socket.closed, 'it was not answered whole', 9_000)
    expect(read).toBeGreaterThan(RESULT_BYTES)
  }, 15_000)
})

test.each([
  ['results', (id: string) => get(`/tasks/${id}/result?wait=60`)],
  ['events', (id: string) => get(`/tasks/${id}/events?wait=60`)],
])('thirty that wait for one task share one body: %s', async (_what, ask) => {
  const readers = 30
  const taskID = await createHeld(patient)
  await Promise.all(Array.from({ length: readers }, () => askAndNotRead(patient, ask(taskID))))
  await until(() => patient.gateway.polling().requests === readers, 'not all wait')
  const before = process.memoryUsage().arrayBuffers
  finish(patient, taskID)
  await until(() => patient.gateway.polling().requests === 0, 'not all were answered')
  await Promise.all(open.map(({ socket }) => until(() => socket.readableLength > 0, 'no answer came')))
  // The result in the emulator, upstream's answer, the body and its frame, and what the sockets of this process read.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * RESULT_BYTES)
})

test('what a caller has not read is bounded: more is not there yet, and other callers get theirs', async () => {
  const taskID = await createHeld(patient)
  finish(patient, taskID)
  const path = `/tasks/${taskID}/result`
  // Each fetches a result of its own; eight of them are more than 64 MiB.
  for (let reader = 0; reader < 7; reader++) {
    const { socket } = await askAndNotRead(patient, get(path))
    await until(() => socket.readableLength > 0, 'no answer came')
  }
  const refused = await send(`${patient.url}${path}`)
  expect(refused.status).toBe(202)
  expect(refused.json).toEqual({ taskID, status: 'success', progress: 1 })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  const native = await send(`${patient.url}/v3/users/me/tasks/${taskID}/result`)
  expect([native.status, native.json.code]).toEqual([503, 'overloaded'])
  expect((await send(`${patient.url}/tasks/${taskID}`)).status).toBe(200)
  for (const { socket } of open) socket.destroy()
  await until(() => lines(patient).length >= 7, 'they have not left')
  expect((await send(`${patient.url}${path}`)).status).toBe(200)
})
