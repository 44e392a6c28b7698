import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../../support/problem.ts'

// The longest wait is short, so that being clamped to it shows.
const gateway = await startTestGateway({ env: { RUN_DEFAULT_WAIT: '150ms', RUN_MAX_WAIT: '300ms' } })
let taskID = ''
beforeAll(async () => {
  taskID = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json.taskID
})
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const BAD_WAITS = [
  '-1',
  '-0',
  'soon',
  '',
  '1s',
  '0x10',
  'NaN',
  'Infinity',
  '1,5',
  ' 1',
  '1&wait=2',
  '1e',
  '1e-3',
]

describe.each([
  ['POST', '/run'],
  ['GET', '/tasks/TASK/result'],
  ['GET', '/tasks/TASK/events'],
] as const)('%s %s', (method, path) => {
  const ask = (query: string, headers: Record<string, string> = {}) =>
    send(`${gateway.url}${path.replace('TASK', taskID)}${query}`, {
      method,
      headers,
      ...(method === 'POST' ? { body: runOf('hold') } : {}),
    })

  test.each(BAD_WAITS)('?wait=%s is 400', async (wait) => {
    const answer = await ask(`?wait=${wait}`)
    expectProblem(answer, 400, 'invalid_request')
    expect(answer.json.errors).toEqual([{ path: 'wait', message: expect.any(String) }])
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('an unknown name is 400', async () => {
    expectProblem(await ask('?wait=1&wiat=2'), 400, 'invalid_request')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test.each(['1e9', '100000', '999999999999999', '0.301'])('?wait=%s is clamped', async (wait) => {
    const started = performance.now()
    const answer = await ask(`?wait=${wait}`)
    expect(performance.now() - started).toBeGreaterThan(290)
    expect(answer.headers['preference-applied']).toBe('wait=0.3')
  })

  test('Prefer: wait is clamped and echoed', async () => {
    expect((await ask('', { prefer: 'wait=100' })).headers['preference-applied']).toBe('wait=0.3')
  })

  test.each(['?wait=0', '?wait=0.0'])('%s answers at once', async (query) => {
    const answer = await ask(query)
    expect(gateway.emulator.counts().result).toBeLessThanOrEqual(1)
    expect(answer.headers['preference-applied']).toBe('wait=0')
  })

  test('the query goes before the header', async () => {
    expect((await ask('?wait=0.1', { prefer: 'wait=100' })).headers['preference-applied']).toBe('wait=0.1')
  })

  test.each(['wait', 'wait=', 'wait=-1', 'wait=soon', 'wait=1.5', 'wait=1e9', ';;==', 'return=minimal'])(
    'Prefer: %s is ignored',
    async (prefer) => {
      const answer = await ask('', { prefer })
      expect(answer.status).toBeLessThan(300)
      expect(answer.headers).not.toHaveProperty('preference-applied')
    },
  )
})

test('POST /run waits for its default', async () => {
  const started = performance.now()
  const answer = await send(`${gateway.url}/run`, { body: runOf('hold') })
  expect(performance.now() - started).toBeGreaterThan(145)
  expect(answer.status).toBe(202)
  expect(answer.json).toMatchObject({ status: expect.any(String), progress: expect.any(Number) })
})

test('the result of a task is asked for at once by default', async () => {
  const answer = await send(`${gateway.url}/tasks/${taskID}/result`)
  expect(gateway.emulator.counts().result).toBe(1)
  expect(answer.status).toBe(202)
  expect(answer.headers).toMatchObject({
    'x-task-id': taskID,
    location: `/tasks/${taskID}/result`,
    'retry-after': '1',
  })
})

test.each(['respond-async', 'respond-async, wait=10', 'wait=10; a=b , Respond-Async'])(
  'Prefer: %s answers as POST /tasks does',
  async (prefer) => {
    const answer = await send(`${gateway.url}/run`, { body: runOf('hold'), headers: { prefer } })
    expect(answer.status).toBe(202)
    expect(answer.json).toEqual({ taskID: expect.any(String), status: 'queued' })
    expect(answer.headers).toMatchObject({
      'preference-applied': 'respond-async',
      'x-task-id': answer.json.taskID,
      location: `/tasks/${answer.json.taskID}`,
    })
    expect(gateway.emulator.counts()).toMatchObject({ create: 1, result: 0 })
  },
)

describe.each(['', '/v3/users/me'])('queries of %s/tasks', (base) => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`).join(',')

  test.each([
    '/tasks?size=0',
    '/tasks?size=101',
    '/tasks?size=-1',
    '/tasks?size=1.5',
    '/tasks?size=ten',
    '/tasks?size=',
    '/tasks?size=01',
    '/tasks?size=1e1',
    '/tasks?size=1&size=2',
    '/tasks?taskType=mine',
    '/tasks?workload=applet',
    '/tasks?status=',
    '/tasks?status=a%0ab',
    '/tasks?status=%00',
    '/tasks?nextToken=',
    '/tasks?sizes=1',
    '/tasks?__proto__=1',
    '/tasks/latest',
    '/tasks/latest?workloadIDs=',
    '/tasks/latest?workloadIDs=a,,b',
    '/tasks/latest?workloadIDs=a%2fb',
    `/tasks/latest?workloadIDs=${many(51)}`,
    '/tasks/latest?workloadIDs=a&other=1',
    '/tasks/TASK?x=1',
    '/tasks/TASK/logs?page=0',
    '/tasks/TASK/logs?page=-1',
    '/tasks/TASK/logs?page=one',
    '/tasks/TASK/logs?page=1.5',
    '/tasks/TASK/logs?page=9999999999',
    '/tasks/TASK/logs?pages=1',
  ])('%s is 400', async (path) => {
    const answer = await send(gateway.url + base + path.replace('TASK', taskID))
    expectProblem(answer, 400, 'invalid_request')
    expect(answer.json.errors).not.toEqual([])
    expectNothingUpstream(gateway.emulator.counts())
  })

  test.each([
    '/tasks?size=1',
    '/tasks?size=100&status=queued&taskType=user&workload=serverless',
    `/tasks/latest?workloadIDs=${many(50)}`,
    '/tasks/TASK',
    '/tasks/TASK/logs?page=1',
    '/tasks/TASK/logs?page=999999999',
  ])('%s is accepted', async (path) => {
    expect((await send(gateway.url + base + path.replace('TASK', taskID))).status).toBe(200)
  })

  test('a list query goes upstream unchanged, except for the size of its pages', async () => {
    await send(
      `${gateway.url}${base}/tasks?size=7&packageID=%40a%2Fb%26c%3D%23&status=x%20y`.replace('%20', ''),
    )
    const [sent] = gateway.emulator.requests('list')
    const query = new URLSearchParams(sent?.path.split('?')[1])
    expect(Object.fromEntries(query)).toEqual({ size: '100', packageID: '@a/b&c=#', status: 'xy' })
  })
})
