import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor, TOKEN } from '../support/gateway.ts'
import { endGatewayProcesses, spawnGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { runOf } from '../support/http.ts'
import { openSocket } from '../support/socket.ts'
import { until, within } from '../support/within.ts'

/** Callers can open as many connections as they like: what the gateway itself needs is not theirs. */

let emulator: Emulator
const sockets: Socket[] = []
beforeAll(async () => {
  emulator = await startEmulator()
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await endGatewayProcesses()
})
afterAll(() => emulator?.close())

test('500 connections where 400 files may be open leave room for calls upstream', async () => {
  const { url, output } = await startGatewayProcess(environmentFor(emulator), { openFiles: 400 })
  expect(output()).toMatch(/"level":"warn".*"openFiles":400.*"neededFiles":\d+.*MAX_CONCURRENT_RUNS/)
  const caller = await openSocket(url)
  sockets.push(caller.socket)
  const { hostname, port } = new URL(url)
  let settled = 0
  for (let at = 0; at < 500; at += 1) {
    const socket = connect(Number(port), hostname)
    sockets.push(socket)
    socket.once('connect', () => {
      settled += 1
    })
    socket.on('error', () => {})
  }
  await until(() => settled >= 500, 'the connections were not made', 10_000)
  await until(() => output().includes('connections are refused'), 'it did not say so')

  const body = JSON.stringify(runOf('echo', { value: 'arrived' }))
  const head = `host: a\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/json\r\n`
  for (let run = 1; run <= 3; run += 1) {
    caller.socket.write(`POST /run HTTP/1.1\r\n${head}content-length: ${body.length}\r\n\r\n${body}`)
    const answers = () => caller.received().split('"resultData"').length - 1
    await until(() => answers() === run, 'the run was not answered with its result', 10_000)
  }
  expect(caller.received()).not.toMatch(/HTTP\/1.1 5/)
}, 40_000)

test('connections on which nothing happens give way to new ones', async () => {
  const { url, output } = await startGatewayProcess(environmentFor(emulator), { openFiles: 400 })
  const idle = await Promise.all(
    Array.from({ length: 120 }, async () => {
      const open = await openSocket(url)
      sockets.push(open.socket)
      open.socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n')
      return open
    }),
  )
  for (const open of idle) await open.see('"ok"')
  for (let at = 0; at < 120 && !output().includes('connections are refused'); at += 1) {
    sockets.push((await openSocket(url)).socket)
  }
  await until(() => output().includes('connections are refused'), 'none was refused')
  const late = await openSocket(url)
  sockets.push(late.socket)
  late.socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n')
  await late.see('"ok"')
}, 40_000)

test.each([64, 256])('with %d open files it says that they are too few', async (openFiles) => {
  const { exit, output } = spawnGateway(environmentFor(emulator), { openFiles })
  expect(await within(exit, 'it did not end', 10_000)).toBe(78)
  expect(output()).toMatch(new RegExp(`^The limit of open files is ${openFiles}, and .* at least`))
  expect(output().trimEnd()).not.toContain('\n')
})
