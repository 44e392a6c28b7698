import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { OTHER_TOKEN, startTestGateway, TOKEN } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../../support/problem.ts'
import { openSocket } from '../../support/socket.ts'

const gateway = await startTestGateway({
  emulator: { phases: { queuedMs: 150, schedulingMs: 150, scheduledMs: 150, runningMs: 150 } },
  deadlines: { keepAliveMs: 50, readMs: 1_000 },
})
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const EVENTS = { accept: 'text/event-stream' }

type Event = { event: string; data: string; json: ReturnType<typeof JSON.parse> }

/** The events of a stream; comments are left out. */
function toEvents(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
      return { event, data, json: JSON.parse(data) }
    })
}

test('a run is told from its creation to its end, each progress once', async () => {
  const answer = await send(`${gateway.url}/run`, { body: runOf('echo', { value: 1 }), headers: EVENTS })
  expect(answer.status).toBe(200)
  const events = toEvents(answer.text)
  const { taskID } = events[0]?.json ?? {}
  expect(answer.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'x-accel-buffering': 'no',
    'x-task-id': taskID,
    'cache-control': expect.stringContaining('no-'),
  })
  expect(events[0]).toMatchObject({ event: 'created', json: { taskID } })
  const progress = events.slice(1, -1)
  expect(progress.length).toBeGreaterThanOrEqual(2)
  expect(progress.every(({ event }) => event === 'progress')).toBe(true)
  expect(new Set(progress.map(({ data }) => data)).size).toBe(progress.length)
  for (const { json } of progress) {
    expect(json).toEqual({ taskID, status: expect.any(String), progress: expect.any(Number) })
  }
  expect(events.at(-1)).toMatchObject({ event: 'success' })
  const blocking = await send(`${gateway.url}/tasks/${taskID}/result`)
  expect(events.at(-1)?.data).toBe(blocking.text)
})

test('what does not change is told once, and comments keep the stream alive', async () => {
  const answer = await send(`${gateway.url}/run?wait=1`, { body: runOf('hold'), headers: EVENTS })
  const events = toEvents(answer.text)
  const progress = events.filter(({ event }) => event === 'progress').map(({ data }) => data)
  expect(new Set(progress).size).toBe(progress.length)
  expect(answer.text.split(': keep-alive\n\n').length).toBeGreaterThan(5)
  expect(events.at(-1)).toMatchObject({ event: 'pending', json: { taskID: events[0]?.json.taskID } })
  expect(answer.headers['preference-applied']).toBe('wait=1')
})

test('a run that fails ends with the same JSON as the blocking one', async () => {
  const answer = await send(`${gateway.url}/run`, {
    body: runOf('fail', { message: 'no paper' }),
    headers: EVENTS,
  })
  const last = toEvents(answer.text).at(-1)
  expect(last).toMatchObject({
    event: 'failed',
    json: { code: 'task_failed', message: 'no paper', status: 422 },
  })
  const blocking = await send(`${gateway.url}/tasks/${last?.json.taskID}/result`)
  expect(last?.json).toEqual({ ...blocking.json, requestId: last?.json.requestId })
})

test('a run that can not be watched any more ends with error', async () => {
  gateway.emulator.misbehave('result', { kind: 'status', status: 401 })
  const answer = await send(`${gateway.url}/run`, { body: runOf('hold'), headers: EVENTS })
  const events = toEvents(answer.text)
  expect(events.at(-1)).toMatchObject({
    event: 'error',
    json: { code: 'upstream_auth_failed', taskID: events[0]?.json.taskID },
  })
})

describe('what goes wrong before the first event is an answer of its own', () => {
  test.each([
    ['a body that is no JSON', '{', 400, 'invalid_request'],
    [
      'a package that upstream does not know',
      { ...runOf('echo'), packageName: 'nobody' },
      404,
      'upstream_rejected',
    ],
  ])('%s', async (_what, body, status, code) => {
    const headers = { ...EVENTS, 'content-type': 'application/json' }
    expectProblem(await send(`${gateway.url}/run`, { body, headers }), status, code)
  })

  test("a task of somebody else's", async () => {
    const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold'), token: OTHER_TOKEN })).json
    gateway.emulator.resetCounts()
    expectProblem(await send(`${gateway.url}/tasks/${taskID}/events`), 404, 'not_found')
    expectProblem(await send(`${gateway.url}/tasks/nobodys/events`), 404, 'not_found')
    expectNothingUpstream(gateway.emulator.counts())
  })
})

test('the events of a task end as those of its run', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('echo', { value: 1e300 }) })).json
  const answer = await send(`${gateway.url}/tasks/${taskID}/events`)
  const events = toEvents(answer.text)
  expect(events.at(-1)).toMatchObject({ event: 'success', json: { taskID, resultData: [{ value: 1e300 }] } })
  const again = toEvents((await send(`${gateway.url}/tasks/${taskID}/events`)).text)
  expect(again).toEqual(events.slice(-1))
})

test('line breaks in a result do not break an event', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  const body = '{\r\n"status": "success",\n\n"resultURL": null,\r"resultData": [\r\n\r\n{"a": "b"}]\n}'
  gateway.emulator.misbehave('result', { kind: 'status', status: 200, body })
  const events = toEvents((await send(`${gateway.url}/tasks/${taskID}/events`)).text)
  expect(events).toMatchObject([{ event: 'success', json: { resultData: [{ a: 'b' }] } }])
})

test.each([
  ['text/event-stream', true],
  ['TEXT/Event-Stream;q=0.5', true],
  ['application/json, text/event-stream', true],
  ['text/event-stream;q=0', false],
  ['*/*', false],
  ['text/*', false],
  ['application/json', false],
])('Accept: %s asks for events: %s', async (accept, isStream) => {
  const answer = await send(`${gateway.url}/run?wait=0`, { body: runOf('hold'), headers: { accept } })
  expect(answer.status).toBe(isStream ? 200 : 202)
})

test('each event is sent when it happens', async () => {
  const body = JSON.stringify(runOf('hold'))
  const connection = await openSocket(gateway.url)
  connection.socket.write(
    `POST /run HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${TOKEN}\r\naccept: text/event-stream\r\n` +
      `connection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await connection.see('event: created')
  await connection.see('event: progress')
  await connection.see('"status":"running"')
  expect(connection.received()).not.toContain('event: success')
  gateway.emulator.finish(gateway.emulator.tasks().at(-1)?.taskID ?? '', {
    status: 'success',
    resultData: [],
  })
  expect(await connection.closed()).toContain('event: success')
})
