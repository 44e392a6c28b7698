import { afterAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { expectProblem } from '../../support/problem.ts'

/** A store in memory whose methods a test can replace. */
const memory = createMemoryStore({ now: Date.now })
const store: Store = {
  claim: (...call) => memory.claim(...call),
  put: (...call) => memory.put(...call),
  replace: (...call) => memory.replace(...call),
  get: (...call) => memory.get(...call),
  getMany: (...call) => memory.getMany(...call),
  delete: (...call) => memory.delete(...call),
  list: (...call) => memory.list(...call),
  usage: () => memory.usage(),
  sweep: () => memory.sweep(),
  close: () => memory.close(),
}
const gateway = await startTestGateway({ store })
afterAll(() => gateway.close())

describe('an unforeseen error', () => {
  test.each([
    ['an Error', () => new Error('canary at /srv/canary.ts:1 with key-canary')],
    [
      'an Error with a status of its own',
      () => Object.assign(new Error('canary'), { statusCode: 418, code: 'CANARY' }),
    ],
    ['an Error that looks like a validation', () => Object.assign(new Error('canary'), { statusCode: 400 })],
    ['a text', () => 'canary'],
    ['undefined', () => undefined],
    ['null', () => null],
  ])('%s is 500 with a fixed text, and in the log', async (_what, toThrown) => {
    store.getMany = async () => {
      throw toThrown()
    }
    gateway.logs.length = 0
    const answer = await send(`${gateway.url}/tasks/some-task`, { headers: { 'x-request-id': 'unforeseen' } })
    const problem = expectProblem(answer, 500, 'internal')
    expect(problem).toMatchObject({ detail: 'Something went wrong in the gateway.', requestId: 'unforeseen' })
    expect(JSON.stringify(answer)).not.toContain('canary')
    expect(gateway.logs).toMatchObject([
      { msg: 'unforeseen error', reqId: 'unforeseen', level: 50 },
      { msg: 'request', reqId: 'unforeseen', status: 500, failure: 'internal' },
    ])
  })

  test('before the first event it is a problem as well', async () => {
    store.getMany = async () => {
      throw new Error('canary')
    }
    const answer = await send(`${gateway.url}/tasks/some-task/events`)
    expectProblem(answer, 500, 'internal')
  })
})

test('a store that can not be read is 503', async () => {
  store.getMany = async () => {
    throw new GatewayError({ code: 'store_unavailable' }, { cause: new Error('canary') })
  }
  const answer = await send(`${gateway.url}/tasks/some-task`)
  expectProblem(answer, 503, 'store_unavailable')
  expect(answer.headers['retry-after']).toBe('5')
  expect(answer.text).not.toContain('canary')
})

test('a store that can not store an owner does not hide the created task', async () => {
  store.put = async () => {
    throw new GatewayError({ code: 'store_unavailable' })
  }
  const answer = await send(`${gateway.url}/run`, { body: runOf('echo') })
  expect([answer.status, answer.json.taskID]).toEqual([200, answer.headers['x-task-id']])
})

test('an error after the create carries the task id', async () => {
  gateway.emulator.misbehave('result', { kind: 'status', status: 403 })
  const answer = await send(`${gateway.url}/run`, { body: runOf('echo') })
  const { taskID } = expectProblem(answer, 502, 'upstream_auth_failed')
  expect(taskID).toBe(gateway.emulator.tasks().at(-1)?.taskID)
  expect(answer.headers['x-task-id']).toBe(taskID)
})

test.each([
  ['no message', null, 'The task failed.', 'task_failed', 422],
  ['an empty one', '', 'The task failed.', 'task_failed', 422],
  ['a message about money', 'Insufficient balance', 'Insufficient balance', 'insufficient_quota', 402],
  ['a message about money in Chinese', '余额不足', '余额不足', 'insufficient_quota', 402],
  ['a long one', `${'x'.repeat(16 * 1024 - 1)}😀`, 'x'.repeat(16 * 1024 - 1), 'task_failed', 422],
])('a task that fails with %s', async (_what, error, detail, code, status) => {
  const { taskID } = (await send(`${gateway.url}/run?wait=0`, { body: runOf('hold') })).json
  store.getMany = async () => ['app']
  gateway.emulator.finish(taskID, { status: 'failed', error })
  const answer = await send(`${gateway.url}/tasks/${taskID}/result?wait=5`)
  expect(expectProblem(answer, status, code)).toMatchObject({ detail, taskID, retryable: false })
})

test('too many waiting requests are 503 before anything is created', async () => {
  const small = await startTestGateway({ emulator: gateway.emulator, env: { MAX_CONCURRENT_RUNS: '1' } })
  try {
    const arrived = gateway.emulator.arrived('create')
    const first = send(`${small.url}/run?wait=2`, { body: runOf('hold') })
    await arrived
    gateway.emulator.resetCounts()
    const answer = await send(`${small.url}/run`, { body: runOf('hold') })
    expectProblem(answer, 503, 'overloaded')
    expect(answer.headers['retry-after']).toBe('5')
    expect(gateway.emulator.counts().create).toBe(0)
    expect((await send(`${small.url}/readyz`)).status).toBe(503)
    // A request that does not wait needs no place.
    expect((await send(`${small.url}/tasks`, { body: runOf('echo') })).status).toBe(202)
    expect((await first).status).toBe(202)
    expect((await send(`${small.url}/readyz`)).status).toBe(200)
  } finally {
    await small.close()
  }
})
