import { afterEach, expect, test } from 'vitest'
import { toRecordKey } from '../../../src/domain/idempotency.ts'
import type { Fault } from '../../../src/emulator/emulator.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import {
  KEY,
  OTHER_TOKEN,
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
} from '../../support/gateway.ts'
import { type Answer, runOf, type SendOptions, send } from '../../support/http.ts'

/** Where the gateway keeps the key `k` of the caller `app`. */
const RECORD_KEY = toRecordKey('app', 'k')

/** Short enough for a test, long enough for a loaded machine. */
const QUICK = { settleMs: 300, unseenSettleMs: 600, recordingMs: 50, leaseMs: 400, searchMs: 3_000 }

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.close()
})

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({ idempotencyTimes: QUICK, ...options })
  started.push(gateway)
  return gateway
}

const post = (
  { url }: TestGateway,
  key: string,
  body: object,
  path = '/run',
  options: SendOptions = {},
): Promise<Answer> =>
  send(`${url}${path}`, { ...options, body, headers: { 'idempotency-key': key, ...options.headers } })

const cookie = (token: string): SendOptions => ({
  token: null,
  headers: { cookie: `oomol-token=${token}`, 'sec-fetch-site': 'same-origin' },
})

test('100 identical requests at once create one task and get 100 answers', async () => {
  const gateway = await start()
  const body = runOf('sleep', { seconds: 0.3, value: 'x' })
  const answers = await Promise.all(Array.from({ length: 100 }, () => post(gateway, 'k', body)))
  expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200))
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(99)
  expect(gateway.emulator.counts().create).toBe(1)
})

test('a repeat after the end gets the stored answer, byte for byte, without asking upstream', async () => {
  const gateway = await start()
  const body = runOf('echo', { value: 'é' })
  const first = await post(gateway, 'k', body)
  await expect
    .poll(() => gateway.store.get('idempotency', RECORD_KEY), { timeout: 2_000 })
    .toContain('"ended"')
  gateway.emulator.resetCounts()
  const repeat = await post(gateway, 'k', body)
  expect(repeat.text).toBe(first.text)
  expect(repeat.headers).toMatchObject({
    'idempotency-replayed': 'true',
    'x-task-id': first.json.taskID,
  })
  expect(first.headers['idempotency-replayed']).toBeUndefined()
  expect(Object.values(gateway.emulator.counts()).reduce((sum, count) => sum + count)).toBe(0)
})

test('a repeat of a run that failed fails the same way, and is not run again', async () => {
  const gateway = await start()
  const body = runOf('fail', { message: 'no paper' })
  const first = await post(gateway, 'k', body)
  const repeat = await post(gateway, 'k', body)
  expect(repeat.json).toMatchObject({ code: 'task_failed', message: 'no paper', taskID: first.json.taskID })
  expect(gateway.emulator.counts().create).toBe(1)
})

test('a repeat joins the run that goes on, and waits in the form that it asks for', async () => {
  const gateway = await start()
  const body = runOf('hold')
  const first = await post(gateway, 'k', body, '/run?wait=0')
  expect(first.status).toBe(202)
  const repeat = await post(gateway, 'k', body, '/run?wait=0.2')
  expect(repeat.json.taskID).toBe(first.json.taskID)
  const asynchronous = await post(gateway, 'k', body, '/run', { headers: { prefer: 'respond-async' } })
  expect(asynchronous.json).toEqual({ taskID: first.json.taskID, status: 'queued' })
  const events = post(gateway, 'k', body, '/run', { headers: { accept: 'text/event-stream' } })
  gateway.emulator.finish(first.json.taskID, { status: 'success', resultData: [{ n: 1 }] })
  const { text, headers } = await events
  expect(headers['idempotency-replayed']).toBe('true')
  expect(text).toContain('event: success')
  expect(gateway.emulator.counts().create).toBe(1)
})

test('a result too large to be kept is fetched again', async () => {
  const gateway = await start()
  const body = runOf('echo', { value: 'x'.repeat(1_200_000) })
  const first = await post(gateway, 'k', body)
  const repeat = await post(gateway, 'k', body)
  expect(first.status).toBe(200)
  expect(repeat.text).toBe(first.text)
  const record = await gateway.store.get('idempotency', RECORD_KEY)
  expect(record?.length).toBeLessThan(10_000)
  expect(gateway.emulator.counts().create).toBe(1)
})

test('the same key with another body or on another route is 422', async () => {
  const gateway = await start()
  await post(gateway, 'k', runOf('echo', { value: 1 }))
  for (const [body, path] of [
    [runOf('echo', { value: 2 }), '/run'],
    [runOf('echo', { value: 1 }), '/tasks'],
  ] as const) {
    const answer = await post(gateway, 'k', body, path)
    expect(answer.status).toBe(422)
    expect(answer.json).toMatchObject({ code: 'idempotency_key_reused', retryable: false })
  }
  expect(gateway.emulator.counts().create).toBe(1)
})

test('of two bodies under one key at once, one runs and the other is 422', async () => {
  const gateway = await start()
  const answers = await Promise.all([1, 2, 1, 2].map((value) => post(gateway, 'k', runOf('echo', { value }))))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 422, 422])
  expect(gateway.emulator.counts().create).toBe(1)
})

test('a repeated native create gets upstream’s own first answer; a repeated POST /tasks the same id', async () => {
  const gateway = await start()
  const native = { type: 'serverless', ...runOf('echo') }
  const first = await post(gateway, 'n', native, '/v3/users/me/tasks')
  const repeat = await post(gateway, 'n', native, '/v3/users/me/tasks')
  expect(repeat.text).toBe(first.text)
  expect(repeat.headers['idempotency-replayed']).toBe('true')
  const task = await post(gateway, 't', runOf('echo'), '/tasks')
  const again = await post(gateway, 't', runOf('echo'), '/tasks')
  expect(again.status).toBe(202)
  expect(again.json).toEqual(task.json)
  expect(gateway.emulator.counts().create).toBe(2)
})

test('keys of different callers never meet', async () => {
  const gateway = await start()
  const one = await post(gateway, 'k', runOf('echo', { value: 1 }))
  const other = await post(gateway, 'k', runOf('echo', { value: 2 }), '/run', { token: OTHER_TOKEN })
  expect([one.status, other.status]).toEqual([200, 200])
  expect(one.json.taskID).not.toBe(other.json.taskID)
})

test('keys of different users never meet, nor those of a user and an app', async () => {
  const emulator = { keys: [KEY], cookies: ['user-one', 'user-two'] }
  const gateway = await start({ emulator, env: { COOKIE_MODE: 'on' } })
  const body = runOf('echo', { value: 1 })
  const answers = [
    await post(gateway, 'k', body),
    await post(gateway, 'k', body, '/run', cookie('user-one')),
    await post(gateway, 'k', body, '/run', cookie('user-two')),
    await post(gateway, 'k', body, '/run', cookie('user-two')),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect(answers.map(({ headers }) => headers['idempotency-replayed'])).toEqual([
    undefined,
    undefined,
    undefined,
    'true',
  ])
  const { emulator: upstream } = gateway
  expect(['user-one', 'user-two', KEY].map((name) => upstream.tasks(name).length)).toEqual([1, 1, 1])
})

test.each(['', 'a b', 'é', 'x'.repeat(256)])('a key that is none (%j) is 400', async (key) => {
  const gateway = await start()
  const answer = await send(`${gateway.url}/run`, {
    body: runOf('echo'),
    headers: { 'idempotency-key': Buffer.from(key).toString('latin1') },
  })
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([{ path: 'idempotency-key', message: expect.any(String) }])
  expect(gateway.emulator.counts().create).toBe(0)
})

test.each<[string, Fault, number]>([
  ['429', { kind: 'status', status: 429 }, 429],
  ['503', { kind: 'status', status: 503 }, 503],
  ['400', { kind: 'status', status: 400 }, 400],
  ['402', { kind: 'status', status: 402 }, 402],
  ['401', { kind: 'status', status: 401 }, 502],
])(
  'a create refused with %s leaves no record: the same key may be used again',
  async (_name, fault, status) => {
    const gateway = await start()
    gateway.emulator.misbehave('create', fault)
    expect((await post(gateway, 'k', runOf('echo', { value: 1 }))).status).toBe(status)
    expect(await gateway.store.get('idempotency', RECORD_KEY)).toBeUndefined()
    const other = await post(gateway, 'k', runOf('echo', { value: 2 }))
    expect(other.status).toBe(200)
    expect(other.headers['idempotency-replayed']).toBeUndefined()
  },
)

test('a request refused by the gateway leaves no record', async () => {
  const gateway = await start()
  expect((await post(gateway, 'k', { nonsense: true })).status).toBe(400)
  expect((await post(gateway, 'k', runOf('echo'), '/run', { token: 'nobody' })).status).toBe(401)
  expect(await gateway.store.get('idempotency', RECORD_KEY)).toBeUndefined()
})

const LOST: [string, Fault][] = [
  ['reset before its answer', { kind: 'reset', when: 'before-answer' }],
  ['closed without an answer', { kind: 'no-answer-close' }],
  ['cut in half', { kind: 'truncated-json' }],
  ['a page of a load balancer', { kind: 'html', status: 502, when: 'before-answer' }],
  ['a 500 after it took effect', { kind: 'status', status: 500, when: 'before-answer' }],
]

test.each(LOST)('a create that was %s is found by a repeat, never made twice', async (_name, fault) => {
  const gateway = await start()
  gateway.emulator.misbehave('create', fault)
  const body = runOf('echo', { value: [1, { b: 2, a: 1 }] })
  const first = await post(gateway, 'k', body)
  expect(first.status).toBe(502)
  const repeat = await post(gateway, 'k', body)
  expect(repeat.status).toBe(200)
  expect(repeat.headers['idempotency-replayed']).toBe('true')
  expect(repeat.json.resultData).toEqual([{ value: [1, { b: 2, a: 1 }] }])
  expect(gateway.emulator.tasks()).toHaveLength(1)
  // And it belongs to its caller from then on.
  const detail = await send(`${gateway.url}/tasks/${repeat.json.taskID}`)
  expect(detail.status).toBe(200)
})

test('a create that never came to be is proven absent and made by the repeat', async () => {
  const gateway = await start()
  gateway.emulator.misbehave('create', { kind: 'reset', when: 'before-processing' })
  const body = runOf('echo', { value: 1 })
  expect((await post(gateway, 'k', body)).json.code).toBe('create_outcome_unknown')
  expect(gateway.emulator.tasks()).toHaveLength(0)
  const repeats = await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (;;) {
        const answer = await post(gateway, 'k', body)
        if (answer.status !== 409) return answer
      }
    }),
  )
  expect(repeats.map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(gateway.emulator.tasks()).toHaveLength(1)
})

test('a list that lags behind proves nothing: 409, until it shows the task', async () => {
  const gateway = await start({ idempotencyTimes: { ...QUICK, unseenSettleMs: 60_000 } })
  const { emulator } = gateway
  emulator.misbehave('create', { kind: 'reset', when: 'before-answer' })
  const catchUp = emulator.misbehave('list', { kind: 'lag', ms: 60_000 })
  const body = runOf('echo', { value: 1 })
  expect((await post(gateway, 'k', body)).status).toBe(502)
  const repeat = await post(gateway, 'k', body)
  expect(repeat.status).toBe(409)
  expect(repeat.json).toMatchObject({ code: 'create_outcome_unknown', retryable: false })
  catchUp()
  expect((await post(gateway, 'k', body)).status).toBe(200)
  expect(emulator.tasks()).toHaveLength(1)
})

test('a list in disorder is read to its end', async () => {
  const gateway = await start()
  const { emulator } = gateway
  emulator.misbehave('list', { kind: 'order', order: 'shuffled' })
  const others = Array.from({ length: 250 }, (_, value) =>
    send(`${gateway.url}/tasks`, { body: runOf('echo', { value }) }),
  )
  await Promise.all(others)
  emulator.misbehave('create', { kind: 'reset', when: 'before-answer' })
  const body = runOf('echo', { value: 'mine' })
  expect((await post(gateway, 'k', body)).status).toBe(502)
  const repeat = await post(gateway, 'k', body)
  expect(repeat.json.resultData).toEqual([{ value: 'mine' }])
  expect(emulator.tasks()).toHaveLength(251)
})

test('of identical lost creates each key gets a task of its own', async () => {
  const gateway = await start()
  const { emulator } = gateway
  emulator.misbehave('create', { kind: 'reset', when: 'before-answer' }, 4)
  const body = runOf('echo', { value: 'same' })
  const keys = ['a', 'b', 'c', 'd']
  await Promise.all(keys.map((key) => post(gateway, key, body)))
  // Not theirs, though it looks the same: it was created without a key.
  const unkeyed = await send(`${gateway.url}/run`, { body })
  const repeats = await Promise.all(keys.map((key) => post(gateway, key, body)))
  expect(repeats.map(({ status }) => status)).toEqual(Array(4).fill(200))
  const ids = repeats.map(({ json }) => json.taskID)
  expect(new Set([...ids, unkeyed.json.taskID]).size).toBe(5)
  expect(emulator.tasks()).toHaveLength(5)
})

test('when the store can’t be written a keyed request is 503, and one without a key still runs', async () => {
  const gateway = await start()
  await gateway.store.close()
  const keyed = await post(gateway, 'k', runOf('echo'))
  expect(keyed.status).toBe(503)
  expect(keyed.json.code).toBe('store_unavailable')
  expect(keyed.headers['retry-after']).toBe('5')
  expect(gateway.emulator.counts().create).toBe(0)
  expect((await send(`${gateway.url}/run`, { body: runOf('echo') })).status).toBe(200)
})

test('a store that fails while the create is under way does not take the answer away', async () => {
  const gateway = await start()
  let open = (): void => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  gateway.emulator.misbehave('create', { kind: 'gate', until })
  const arrived = gateway.emulator.arrived('create')
  const answer = post(gateway, 'k', runOf('echo', { value: 1 }))
  await arrived
  await gateway.store.close()
  open()
  expect((await answer).status).toBe(200)
})

test('two gateways on one store create once, and a repeat waits for the other’s create', async () => {
  const store = createMemoryStore({ now: Date.now })
  const one = await start({ store })
  const other = await start({ store, emulator: one.emulator })
  let open = (): void => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  one.emulator.misbehave('create', { kind: 'gate', until })
  const arrived = one.emulator.arrived('create')
  const body = runOf('echo', { value: 1 })
  const first = post(one, 'k', body)
  await arrived
  // Longer than the lease: it is renewed as long as the create is under way.
  const repeat = post(other, 'k', body)
  const early = await Promise.race([repeat, new Promise((resolve) => setTimeout(resolve, 3 * QUICK.leaseMs))])
  expect(early).toBeUndefined()
  open()
  expect((await repeat).text).toBe((await first).text)
  expect((await repeat).headers['idempotency-replayed']).toBe('true')
  expect(one.emulator.tasks()).toHaveLength(1)
})

test('the caller leaving does not end the create: a repeat gets its task', async () => {
  const gateway = await start()
  const leaving = new AbortController()
  gateway.emulator.misbehave('create', { kind: 'delay', ms: 200 })
  const arrived = gateway.emulator.arrived('create')
  const first = post(gateway, 'k', runOf('echo', { value: 1 }), '/run', { signal: leaving.signal })
  await arrived
  leaving.abort()
  await expect(first).rejects.toThrow()
  expect((await post(gateway, 'k', runOf('echo', { value: 1 }))).status).toBe(200)
  expect(gateway.emulator.counts().create).toBe(1)
})
