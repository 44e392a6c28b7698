import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../src/emulator/emulator.ts'
import { startTestGateway } from '../support/gateway.ts'
import { runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { until, within } from '../support/within.ts'

// A gateway for each test: after the failures of one, the polls of the next would be slower.

const deadlines = { readMs: 200, createMs: 1_000, notFoundMs: 600 }
let gateway = await startTestGateway({ deadlines })
beforeEach(async () => {
  await gateway.close()
  gateway = await startTestGateway({ deadlines })
})
afterAll(() => gateway.close())

const status = (code: number, headers: Record<string, string> = {}): Fault => ({
  kind: 'status',
  status: code,
  headers,
})

test.each<[string, Fault]>([
  ['a reset', { kind: 'reset', when: 'before-processing' }],
  ['a reset amid the answer', { kind: 'reset', when: 'mid-answer' }],
  ['an end without a byte', { kind: 'no-answer-close' }],
  ['silence', { kind: 'hang' }],
  ['drips', { kind: 'drip', intervalMs: 50 }],
  ['HTML', { kind: 'html' }],
  ['HTML with 502', { kind: 'html', status: 502 }],
  ['truncated JSON', { kind: 'truncated-json' }],
  ['a redirect', { kind: 'redirect', location: 'http://127.0.0.1:9/' }],
  ['gzip', { kind: 'gzip' }],
  ['429', status(429, { 'retry-after': '0' })],
  ['500', status(500)],
  ['503', status(503, { 'retry-after': '0' })],
  ['504', status(504)],
  ['999', status(999)],
  ['a 404 that passes', status(404)],
])('%s while polling is ridden out', async (_what, fault) => {
  // A broken read is made once more within one poll.
  const isBreak = fault.kind === 'reset' || fault.kind === 'no-answer-close'
  gateway.emulator.misbehave('result', fault, isBreak ? 2 : 1)
  const answer = await send(`${gateway.url}/run?wait=10`, { body: runOf('echo', { value: 1 }) })
  expect([answer.status, answer.json.resultData]).toEqual([200, [{ value: 1 }]])
  expect(gateway.emulator.counts()).toMatchObject({ create: 1, unknown: 0 })
})

test.each<[number, number, string]>([
  [401, 502, 'upstream_auth_failed'],
  [402, 402, 'insufficient_quota'],
  [403, 502, 'upstream_auth_failed'],
])('%i while polling ends the run at once, with its task id', async (code, expected, failure) => {
  gateway.emulator.misbehave('result', status(code), 10)
  const answer = await send(`${gateway.url}/run?wait=10`, { body: runOf('echo') })
  const { taskID } = expectProblem(answer, expected, failure)
  expect(taskID).toBe(gateway.emulator.tasks()[0]?.taskID)
  expect(answer.headers['x-task-id']).toBe(taskID)
  expect(gateway.emulator.counts().result).toBe(1)
})

test('404 ends the run once it has lasted', async () => {
  const began = performance.now()
  gateway.emulator.misbehave('result', status(404), 1000)
  const answer = await send(`${gateway.url}/run?wait=10`, { body: runOf('echo') })
  expect(expectProblem(answer, 404, 'not_found').taskID).toBe(gateway.emulator.tasks()[0]?.taskID)
  expect(performance.now() - began).toBeGreaterThanOrEqual(deadlines.notFoundMs)
})

test('a task that upstream does not know is 404 without patience', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  gateway.emulator.misbehave('result', status(404), 1000)
  expectProblem(await send(`${gateway.url}/tasks/${taskID}/result?wait=10`), 404, 'not_found')
  expectProblem(await send(`${gateway.url}/tasks/${taskID}/events`), 404, 'not_found')
  expect(gateway.emulator.counts().result).toBe(2)
})

test('a 404 that passes does not end a wait that has seen the task', async () => {
  const { emulator } = gateway
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  const waiting = send(`${gateway.url}/tasks/${taskID}/result?wait=10`)
  const polled = (times: number) => until(() => emulator.counts().result >= times, `poll ${times}`)
  await polled(2)
  emulator.misbehave('result', status(404))
  await polled(5)
  emulator.finish(taskID, { status: 'success', resultData: [{ value: 1 }], resultURL: null })
  expect((await within(waiting, 'the answer')).status).toBe(200)
})

test('a 404 that passes does not end a repeat of a keyed run', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const body = runOf('echo', { value: 1 })
  await send(`${gateway.url}/run`, { body, headers: { ...headers, prefer: 'respond-async' } })
  gateway.emulator.misbehave('result', status(404))
  const answer = await send(`${gateway.url}/run`, { body, headers })
  expect([answer.status, answer.headers['idempotency-replayed']]).toEqual([200, 'true'])
})

test.each(['1000000000000', '2147484', 'Thu, 01 Jan 9999 00:00:00 GMT'])(
  'Retry-After: %s makes no hot loop, and the wait ends in time',
  async (retryAfter) => {
    gateway.emulator.misbehave('result', status(429, { 'retry-after': retryAfter }), 1000)
    const answer = await send(`${gateway.url}/run?wait=0.8`, { body: runOf('hold') })
    expect([answer.status, answer.json.status]).toEqual([202, 'queued'])
    expect(gateway.emulator.counts().result).toBe(1)
  },
)

test('an upstream that answers nothing but errors is asked ever less often', async () => {
  gateway.emulator.misbehave('result', status(500), 1000)
  const answer = await send(`${gateway.url}/run?wait=1.5`, { body: runOf('hold') })
  expect(answer.status).toBe(202)
  expect(gateway.emulator.counts().result).toBeLessThanOrEqual(4)
})

test('a task that was never seen answers with what went wrong', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  gateway.emulator.misbehave('result', status(503), 1000)
  const answer = await send(`${gateway.url}/tasks/${taskID}/result?wait=0.3`)
  expect(expectProblem(answer, 503, 'upstream_unavailable').taskID).toBe(taskID)
})

describe('a caller that leaves', () => {
  test.each([
    ['a blocking run', 'POST', '/run', {}],
    ['a run as events', 'POST', '/run', { accept: 'text/event-stream' }],
    ['a wait for a result', 'GET', '/tasks/TASK/result?wait=60', {}],
    ['the events of a task', 'GET', '/tasks/TASK/events', {}],
  ] as const)('%s ends the polling at once; the task goes on', async (_what, method, path, headers) => {
    const { emulator } = gateway
    const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
    const polled = emulator.arrived('result', 1)
    const abort = new AbortController()
    const asking = send(gateway.url + path.replace('TASK', taskID), {
      method,
      headers,
      signal: abort.signal,
      ...(method === 'POST' ? { body: runOf('hold') } : {}),
    }).catch(() => 'left')
    await within(polled, 'the task was not polled')
    gateway.logs.length = 0
    abort.abort()
    expect(await asking).toBe('left')
    const idle = () => Object.values(gateway.gateway.polling()).every((count) => count === 0)
    await until(idle, 'the wait did not end', 1_000)
    const { result } = emulator.counts()
    await logged()
    expect(gateway.logs).toEqual([expect.objectContaining({ left: true, taskID: expect.any(String) })])
    // Long enough for several polls, if the task were still polled.
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(emulator.counts().result).toBe(result)
    expect(emulator.tasks().every((task) => task.status !== 'failed')).toBe(true)
  })

  test('during the create does not cut it: its task is logged and belongs to its caller', async () => {
    const { emulator } = gateway
    let open = () => {}
    const until = new Promise<void>((resolve) => {
      open = resolve
    })
    emulator.misbehave('create', { kind: 'gate', until, when: 'before-answer' })
    const arrived = emulator.arrived('create')
    const abort = new AbortController()
    const asking = send(`${gateway.url}/run`, { body: runOf('echo'), signal: abort.signal }).catch(
      () => 'left',
    )
    await within(arrived, 'the create did not arrive')
    gateway.logs.length = 0
    abort.abort()
    expect(await asking).toBe('left')
    open()
    await logged()
    const taskID = emulator.tasks()[0]?.taskID
    expect(gateway.logs).toEqual([expect.objectContaining({ left: true, taskID, upstreamStatus: 200 })])
    expect((await send(`${gateway.url}/tasks/${taskID}/result?wait=5`)).status).toBe(200)
  })
})

function logged(): Promise<void> {
  return until(() => gateway.logs.length > 0, 'the request left no line')
}

test('many that wait for one task make one poll at a time', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  const waiting = Array.from({ length: 50 }, () => send(`${gateway.url}/tasks/${taskID}/result?wait=10`))
  await until(() => gateway.gateway.polling().requests === 50, 'not all of them wait')
  expect(gateway.gateway.polling().tasks).toBe(1)
  gateway.emulator.finish(taskID, { status: 'success', resultData: [{ a: 1 }] })
  for (const answer of await Promise.all(waiting)) expect(answer.json.resultData).toEqual([{ a: 1 }])
  expect(gateway.emulator.counts().result).toBeLessThan(20)
})
