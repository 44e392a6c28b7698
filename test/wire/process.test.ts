import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor, TOKEN } from '../support/gateway.ts'
import { endGatewayProcesses, spawnGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { type Answer, runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { openSocket } from '../support/socket.ts'
import { until, within } from '../support/within.ts'

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator()
}, 60_000)
beforeEach(() => emulator.resetCounts())
afterEach(endGatewayProcesses)
afterAll(async () => {
  await emulator?.close()
})

const start = (env: Record<string, string> = {}) =>
  startGatewayProcess({ ...environmentFor(emulator), ...env })
const HEAD = `host: a\r\nauthorization: Bearer ${TOKEN}\r\n`

describe('a configuration that is wrong', () => {
  test('ends the process with 78 and every problem, but no value', async () => {
    const { exit, output } = spawnGateway({
      ...environmentFor(emulator),
      PORT: 'canary-port',
      OOMOL_BASE_URL: 'ftp://canary-url',
      GATEWAY_TOKENS: 'app:canary',
      RUN_MAX_WAIT: 'canary-wait',
      MAX_BODYBYTES: '1',
    })
    expect(await within(exit, 'it did not end', 15_000)).toBe(78)
    for (const name of ['PORT', 'OOMOL_BASE_URL', 'GATEWAY_TOKENS', 'RUN_MAX_WAIT']) {
      expect(output()).toContain(name)
    }
    expect(output()).not.toMatch(/canary|emulator-key|\.[jt]s:\d/)
  })

  // Two starts, one after the other, beside other tests.
  test('a port that is taken ends it with 1 and says so', { timeout: 40_000 }, async () => {
    const taken = await start()
    const { exit, output } = spawnGateway({ ...environmentFor(emulator), PORT: new URL(taken.url).port })
    expect(await within(exit, 'it did not end', 15_000)).toBe(1)
    expect(output()).toContain('EADDRINUSE')
  })
})

test('GATEWAY_AUTH=none is logged as a warning', async () => {
  const { output, url } = await start({ GATEWAY_AUTH: 'none' })
  await until(() => output().includes('GATEWAY_AUTH=none'), 'it did not warn')
  expect(output()).toMatch(/"level":"warn".*GATEWAY_AUTH=none/)
  expect((await send(`${url}/queue`, { token: null })).status).toBe(200)
})

test('SIGTERM answers everyone who waits and ends the process within its grace, whatever hangs', async () => {
  const graceMs = 8_000
  const { url, child, exit, output } = await start({ SHUTDOWN_GRACE: '8s' })
  const ask = (headers = {}) => send(`${url}/run`, { body: runOf('hold'), headers })
  const answered: number[] = []
  const note = async (asking: Promise<Answer>) => {
    const answer = await asking
    answered.push(performance.now())
    return answer
  }
  const runs = Array.from({ length: 100 }, () => note(ask()))
  const streams = Array.from({ length: 10 }, () => note(ask({ accept: 'text/event-stream' })))
  await within(emulator.arrived('create', 110), 'the runs were not created', 10_000)
  const taskIDs = () => emulator.tasks().map(({ taskID }) => taskID)
  await until(() => emulator.counts().result >= 20, 'the tasks were not polled', 10_000)

  emulator.misbehave('create', { kind: 'delay', ms: 3_000, when: 'before-answer' })
  const slow = ask()
  await within(emulator.arrived('create', 111), 'the slow create did not arrive')
  emulator.misbehave('create', { kind: 'hang', when: 'before-answer' })
  const hanging = ask()
  await within(emulator.arrived('create', 112), 'the hanging create did not arrive')
  const idle = await openSocket(url)
  idle.socket.write(`GET /livez HTTP/1.1\r\n${HEAD}\r\n`)
  await idle.see('"ok"')
  const stalled = await openSocket(url)
  stalled.socket.write(
    `POST /run HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: 99\r\n\r\n{`,
  )
  const silent = await openSocket(url)
  silent.socket.write('GET /li')

  const began = performance.now()
  child.kill('SIGTERM')
  await until(() => output().includes('shutting down'), 'the signal was not heard')
  const ready = await send(`${url}/readyz`)
  expect([ready.status, ready.json]).toEqual([503, { status: 'draining' }])
  expect((await send(`${url}/livez`)).status).toBe(200)
  const refused = await ask()
  expectProblem(refused, 503, 'draining')
  expect(refused.headers['retry-after']).toBe('1')
  await idle.closed(3_000)

  for (const answer of await within(Promise.all(runs), 'a run was not answered')) {
    expect([answer.status, taskIDs().includes(answer.json.taskID)]).toEqual([202, true])
    expect(answer.headers.location).toBe(`/tasks/${answer.json.taskID}/result`)
  }
  for (const answer of await within(Promise.all(streams), 'a stream was not ended')) {
    expect(answer.text).toMatch(/event: pending\ndata: \{"taskID":"[\w-]+","status":"\w+".*\}\n\n$/)
  }
  expect(Math.max(...answered) - began).toBeLessThan(2_000)
  expect(answered).toHaveLength(110)

  const late = await within(slow, 'the slow create was not answered', graceMs)
  expect([late.status, taskIDs().includes(late.json.taskID)]).toEqual([202, true])
  expectProblem(
    await within(hanging, 'the hanging create was not answered', graceMs),
    502,
    'create_outcome_unknown',
  )
  expect(await within(exit, 'the process did not end', graceMs)).toBe(0)
  expect(performance.now() - began).toBeLessThan(graceMs)
  expect(output()).toContain('"msg":"shut down"')
}, 40_000)

test('with nothing under way SIGTERM ends the process soon, and its port is closed', async () => {
  const { url, child, exit } = await start({ SHUTDOWN_GRACE: '4s' })
  child.kill('SIGTERM')
  expect(await within(exit, 'the process did not end', 4_000)).toBe(0)
  const { hostname, port } = new URL(url)
  const refused = await new Promise((resolve) => {
    connect(Number(port), hostname).once('error', resolve).once('connect', resolve)
  })
  expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
})

test('SIGINT is heard as well', async () => {
  const { child, exit } = await start({ SHUTDOWN_GRACE: '2s' })
  child.kill('SIGINT')
  expect(await within(exit, 'the process did not end', 4_000)).toBe(0)
})

test('a second SIGTERM ends the process at once', async () => {
  const { url, child, exit, output } = await start({ SHUTDOWN_GRACE: '60s' })
  emulator.misbehave('create', { kind: 'hang' })
  const hanging = send(`${url}/run`, { body: runOf('echo') }).catch(() => 'cut')
  await within(emulator.arrived('create', 1), 'the create did not arrive')
  child.kill('SIGTERM')
  await until(() => output().includes('shutting down'), 'the signal was not heard')
  child.kill('SIGTERM')
  expect(await within(exit, 'the process did not end', 2_000)).toBe(1)
  expect(await hanging).toBe('cut')
})
