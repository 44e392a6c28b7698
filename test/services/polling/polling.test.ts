import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { Emulator, Fault } from '../../../src/emulator/emulator.ts'
import {
  KEY,
  OTHER_TOKEN,
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
} from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { watchLateness } from '../../support/lateness.ts'

const started: TestGateway[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(options)
  started.push(gateway)
  return gateway
}

async function createHeld({ url }: TestGateway): Promise<string> {
  return (await send(`${url}/tasks`, { body: runOf('hold') })).json.taskID
}

const polls = (emulator: Emulator): number => emulator.counts().result + emulator.counts().list
const DONE = { status: 'success', resultData: [{ done: true }] } as const

test('1,000 waiters on one task cost as much as one', async () => {
  const gateway = await start()
  const taskID = await createHeld(gateway)
  const waiters = Array.from({ length: 1_000 }, () => send(`${gateway.url}/tasks/${taskID}/result?wait=10`))
  await expect.poll(() => gateway.gateway.polling().requests, { timeout: 12_000 }).toBe(1_000)
  const before = polls(gateway.emulator)
  await sleep(1_000)
  // At most one poll in 0.18 s.
  expect(polls(gateway.emulator) - before).toBeLessThanOrEqual(7)
  expect(gateway.gateway.polling().tasks).toBe(1)
  gateway.emulator.finish(taskID, DONE)
  const answers = await Promise.all(waiters)
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(answers[0]?.json.resultData).toEqual([{ done: true }])
})

test('a waiter on a task that ended long ago is answered from one request, among many that are polled', async () => {
  const gateway = await start()
  const ended = await createHeld(gateway)
  gateway.emulator.finish(ended, DONE)
  const many = Array.from({ length: 50 }, () => send(`${gateway.url}/run?wait=10`, { body: runOf('hold') }))
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 12_000 }).toBe(50)
  const answer = await send(`${gateway.url}/tasks/${ended}/result?wait=5`)
  expect(answer.status).toBe(200)
  const asked = gateway.emulator.requests('result').filter(({ path }) => path.includes(ended))
  expect(asked).toHaveLength(1)
  for (const { taskID, status } of gateway.emulator.tasks()) {
    if (status !== 'success') gateway.emulator.finish(taskID, DONE)
  }
  await Promise.all(many)
})

test('credentials never share an answer, and a waiter has to have a right to its task', async () => {
  const emulator = { keys: [KEY], cookies: ['user-one', 'user-two'] }
  const gateway = await start({ emulator, env: { COOKIE_MODE: 'on' } })
  const as = (user: string) => ({
    token: null,
    headers: { cookie: `oomol-token=${user}`, 'sec-fetch-site': 'same-origin' },
  })
  const { json } = await send(`${gateway.url}/tasks`, { body: runOf('hold'), ...as('user-one') })
  const path = `${gateway.url}/tasks/${json.taskID}/result?wait=5`
  const own = send(path, as('user-one'))
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 12_000 }).toBe(1)
  const others = [send(path, as('user-two')), send(path), send(path, { token: OTHER_TOKEN })]
  const statuses = (await Promise.all(others)).map(({ status }) => status)
  gateway.emulator.finish(json.taskID, DONE)
  expect(statuses).toEqual([404, 404, 404])
  expect((await own).status).toBe(200)
})

test('polling keeps within POLL_RATE, however many wait', async () => {
  const gateway = await start({ env: { POLL_RATE: '20' } })
  const runs = Array.from({ length: 300 }, () => send(`${gateway.url}/run?wait=30`, { body: runOf('hold') }))
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 12_000 }).toBe(300)
  const before = polls(gateway.emulator)
  await sleep(3_000)
  expect(polls(gateway.emulator) - before).toBeLessThanOrEqual(20 * 3.2 + 2)
  for (const { taskID } of gateway.emulator.tasks()) gateway.emulator.finish(taskID, DONE)
  const answers = await Promise.all(runs)
  expect(answers.every(({ status }) => status === 200)).toBe(true)
})

const LISTS: [string, Fault[]][] = [
  ['newest first', []],
  ['oldest first', [{ kind: 'order', order: 'oldest-first' }]],
  ['shuffled', [{ kind: 'order', order: 'shuffled' }]],
  ['two seconds behind', [{ kind: 'lag', ms: 2_000 }]],
  [
    'a minute behind and shuffled',
    [
      { kind: 'lag', ms: 60_000 },
      { kind: 'order', order: 'shuffled' },
    ],
  ],
]

test.each(LISTS)(
  'with a list %s every task is answered within three intervals of its end',
  async (_name, faults) => {
    const gateway = await start({ env: { POLL_RATE: '500' } })
    for (const fault of faults) gateway.emulator.misbehave('list', fault)
    const answeredAt = new Map<string, number>()
    const lateness = watchLateness()
    const runs = Array.from({ length: 120 }, async (_, index) => {
      const body = runOf('sleep', { seconds: 0.3 + index / 60, value: index })
      const answer = await send(`${gateway.url}/run?wait=20`, { body })
      answeredAt.set(answer.json.taskID, Date.now())
      expect(answer.json.resultData[0].value).toBe(index)
    })
    await Promise.all(runs)
    lateness.stop()
    // An interval of 0.2 s at these ages; beside it the requests themselves, and three timers of a busy machine.
    const delays = gateway.emulator
      .tasks()
      .map(({ taskID, endTime }) => (answeredAt.get(taskID) ?? 0) - (endTime ?? 0))
    expect(Math.max(...delays)).toBeLessThan(3 * 270 + 200 + 3 * lateness.worstMs())
  },
)

test('waiting runs survive an outage and finish soon after it; upstream is left in peace meanwhile', async () => {
  const gateway = await start()
  const { emulator } = gateway
  const runs = Array.from({ length: 40 }, () => send(`${gateway.url}/run?wait=30`, { body: runOf('hold') }))
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 12_000 }).toBe(40)
  const mend = [
    emulator.misbehave('result', { kind: 'status', status: 500 }, Number.POSITIVE_INFINITY),
    emulator.misbehave('list', { kind: 'reset', when: 'before-processing' }, Number.POSITIVE_INFINITY),
  ]
  await sleep(500)
  const before = polls(emulator)
  await sleep(1_500)
  expect(polls(emulator) - before).toBeLessThanOrEqual(6)
  for (const { taskID } of emulator.tasks()) emulator.finish(taskID, DONE)
  for (const take of mend) take()
  const mendedAt = Date.now()
  const answers = await Promise.all(runs)
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(Date.now() - mendedAt).toBeLessThan(6_000)
})

test('429 slows the whole credential down, as long as upstream asks for', async () => {
  const gateway = await start()
  const { emulator } = gateway
  const runs = Array.from({ length: 10 }, () => send(`${gateway.url}/run?wait=30`, { body: runOf('hold') }))
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 12_000 }).toBe(10)
  emulator.misbehave('result', { kind: 'status', status: 429, headers: { 'retry-after': '2' } })
  await expect.poll(() => emulator.requests('result').length, { timeout: 12_000 }).toBeGreaterThan(0)
  await sleep(300)
  const before = polls(emulator)
  await sleep(1_400)
  expect(polls(emulator)).toBe(before)
  for (const { taskID } of emulator.tasks()) emulator.finish(taskID, DONE)
  expect((await Promise.all(runs)).every(({ status }) => status === 200)).toBe(true)
})

test('while upstream is down creates fail fast, and a probe brings them back', async () => {
  const gateway = await start()
  const { emulator } = gateway
  const mend = emulator.misbehave('create', { kind: 'status', status: 503 }, Number.POSITIVE_INFINITY)
  const body = runOf('echo')
  for (let failure = 0; failure < 10; failure++) await send(`${gateway.url}/run`, { body })
  expect(emulator.counts().create).toBe(10)
  const refused = await Promise.all(Array.from({ length: 20 }, () => send(`${gateway.url}/run`, { body })))
  expect(new Set(refused.map(({ status, json }) => `${status} ${json.code}`))).toEqual(
    new Set(['503 upstream_unavailable']),
  )
  expect(refused.every(({ headers }) => Number(headers['retry-after']) >= 1)).toBe(true)
  expect(emulator.counts().create).toBe(10)
  mend()
  await expect
    .poll(async () => (await send(`${gateway.url}/run`, { body })).status, { timeout: 5_000, interval: 100 })
    .toBe(200)
  // One probe found it mended: nothing was sent in between.
  expect(emulator.counts().create).toBe(11)
})

test('creates that upstream refuses do not count as an outage', async () => {
  const gateway = await start()
  gateway.emulator.misbehave('create', { kind: 'status', status: 400 }, 20)
  for (let refusal = 0; refusal < 20; refusal++) {
    expect((await send(`${gateway.url}/run`, { body: runOf('echo') })).json.code).toBe('upstream_rejected')
  }
  expect((await send(`${gateway.url}/run`, { body: runOf('echo') })).status).toBe(200)
})

test('beyond MAX_CONCURRENT_RUNS a run is refused before its create', async () => {
  const gateway = await start({ env: { MAX_CONCURRENT_RUNS: '2' } })
  const runs = [1, 2].map(() => send(`${gateway.url}/run?wait=10`, { body: runOf('hold') }))
  await expect.poll(() => gateway.emulator.counts().create, { timeout: 12_000 }).toBe(2)
  const refused = await send(`${gateway.url}/run`, { body: runOf('echo') })
  expect([refused.status, refused.json.code]).toEqual([503, 'overloaded'])
  expect(gateway.emulator.counts().create).toBe(2)
  for (const { taskID } of gateway.emulator.tasks()) gateway.emulator.finish(taskID, DONE)
  expect((await Promise.all(runs)).map(({ status }) => status)).toEqual([200, 200])
})

test('at the end of the process 1,000 waiting runs are all answered with 202 and their task', async () => {
  const gateway = await start()
  const runs = Array.from({ length: 1_000 }, () =>
    send(`${gateway.url}/run?wait=60`, { body: runOf('hold') }),
  )
  await expect.poll(() => gateway.gateway.polling().tasks, { timeout: 10_000 }).toBe(1_000)
  const closing = gateway.gateway.close()
  const answers = await Promise.all(runs)
  await closing
  expect(answers.map(({ status }) => status)).toEqual(Array(1_000).fill(202))
  const ids = answers.map(({ json, headers }) => (headers['x-task-id'] === json.taskID ? json.taskID : ''))
  expect(ids.sort()).toEqual(
    gateway.emulator
      .tasks()
      .map(({ taskID }) => taskID)
      .sort(),
  )
})
