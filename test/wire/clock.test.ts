import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { type Answer, runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { until } from '../support/within.ts'

// The wall clock of a machine is set while the gateway runs: by an operator, or by NTP after a long while without.

const LIMITED_TOKEN = 'test-token-of-the-limited'
const LIMITED: TestGatewayOptions = {
  env: { GATEWAY_CONFIG: 'callers.yaml' },
  files: {
    'callers.yaml': `
callers:
  - { id: limited, tokens: ["${LIMITED_TOKEN}"], packages: ["*"], limits: { createsPerMinute: 1 } }
`,
  },
}

const HOUR_MS = 60 * 60_000
/** As long as a window of a limit, and longer than any pause of a breaker or a poll. */
const MINUTE_MS = 61_000

/** Both clocks of a gateway, moved by hand on top of the real ones. */
class Clocks {
  wallAheadMs = 0
  monotonicAheadMs = 0
  readonly now = () => Date.now() + this.wallAheadMs
  readonly monotonicNow = () => performance.now() + this.monotonicAheadMs

  /** Time passes, as every clock shows. */
  pass(ms: number): void {
    this.wallAheadMs += ms
    this.monotonicAheadMs += ms
  }
}

let clocks: Clocks
let gateway: TestGateway
afterEach(() => gateway.close())

async function start(options: TestGatewayOptions = {}): Promise<void> {
  clocks = new Clocks()
  const { now, monotonicNow } = clocks
  gateway = await startTestGateway({ now, monotonicNow, ...options })
}

const post = (query = '', body = runOf('echo', { value: 1 })): Promise<Answer> =>
  send(`${gateway.url}/run${query}`, { body })
const postLimited = (): Promise<Answer> =>
  send(`${gateway.url}/run`, { body: runOf('echo', { value: 1 }), token: LIMITED_TOKEN })

const STEPS: [string, number][] = [
  ['back by 40 s', -40_000],
  ['back by an hour', -HOUR_MS],
  ['forward by an hour', HOUR_MS],
]

test.each(STEPS)('a clock set %s: polling goes on, and a run is as old as it is', async (_how, stepMs) => {
  await start()
  const { emulator } = gateway
  const running = post('?wait=2', runOf('sleep', { seconds: 60 }))
  await until(() => emulator.counts().result > 0, 'no poll was made')
  // The next poll is due by now, a fifth of a second after this one.
  await sleep(50)
  clocks.wallAheadMs += stepMs
  const polls = emulator.counts().result
  await until(() => emulator.counts().result > polls + 2, 'polling stands still', 1_500)
  const pending = await running
  // A tenth of two seconds is advised, and at least a second; of an hour it would be three.
  expect([pending.status, pending.headers['retry-after']]).toEqual([202, '1'])
})

test.each(STEPS)('a clock set %s: a run that begins then is polled to its end', async (_how, stepMs) => {
  await start()
  // The credential has been polled with before.
  expect((await post()).status).toBe(200)
  clocks.wallAheadMs += stepMs
  expect((await post('?wait=3')).status).toBe(200)
})

test.each(STEPS)('a clock set %s: the pause after a failed poll is no longer', async (_how, stepMs) => {
  await start()
  const { emulator } = gateway
  emulator.misbehave('result', { kind: 'status', status: 503, headers: { 'retry-after': '0' } })
  const running = post('?wait=5')
  await until(() => emulator.counts().result > 0, 'no poll was made')
  await sleep(50)
  clocks.wallAheadMs += stepMs
  expect((await running).status).toBe(200)
})

test('a clock set back by an hour: the breaker closes again when its own time is over', async () => {
  await start()
  const { emulator } = gateway
  const heal = emulator.misbehave('create', { kind: 'no-answer-close' }, Number.POSITIVE_INFINITY)
  for (let failure = 0; failure < 10; failure++) await post()
  expectProblem(await post(), 503, 'upstream_unavailable')
  heal()
  clocks.wallAheadMs -= HOUR_MS
  expectProblem(await post(), 503, 'upstream_unavailable')
  clocks.pass(MINUTE_MS)
  expect((await post()).status).toBe(200)
})

test('a clock set back by an hour: limits a minute are free again after a minute', async () => {
  await start(LIMITED)
  expect((await postLimited()).status).toBe(200)
  expectProblem(await postLimited(), 429, 'rate_limited')
  clocks.wallAheadMs -= HOUR_MS
  expectProblem(await postLimited(), 429, 'rate_limited')
  clocks.pass(MINUTE_MS)
  expect((await postLimited()).status).toBe(200)
})

test('a clock set forward by an hour: limits a minute are not free before a minute is over', async () => {
  await start(LIMITED)
  expect((await postLimited()).status).toBe(200)
  clocks.wallAheadMs += HOUR_MS
  expectProblem(await postLimited(), 429, 'rate_limited')
})

test('an address that sent wrong tokens is let in again by the clock of durations, not by the one on the wall', async () => {
  await start()
  const guess = () => send(`${gateway.url}/tasks`, { token: 'wrong-token-aaaaaaaaaaaaaaaa' })
  for (let wrong = 0; wrong < 20; wrong++) expect((await guess()).status).toBe(401)
  const refused = await guess()
  expectProblem(refused, 429, 'rate_limited')
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60)
  clocks.monotonicAheadMs += MINUTE_MS
  expect((await guess()).status).toBe(401)
})

test('a clock set back while a create is under way: its outcome is lost, and its task is found all the same', async () => {
  const idempotencyTimes = {
    settleMs: 200,
    unseenSettleMs: 400,
    recordingMs: 50,
    skewMs: 2_000,
    searchMs: 500,
  }
  await start({ idempotencyTimes, deadlines: { createMs: 500 } })
  const { emulator } = gateway
  emulator.misbehave('create', { kind: 'hang', when: 'before-answer' })
  const arrived = emulator.arrived('create')
  const body = runOf('echo', { value: 1 })
  const keyed = () => send(`${gateway.url}/run`, { body, headers: { 'idempotency-key': 'k' } })
  const lost = keyed()
  await arrived
  clocks.wallAheadMs -= 40_000
  expectProblem(await lost, 502, 'create_outcome_unknown')
  // Until the clock has caught up nothing is proven, and nothing is created.
  clocks.pass(10_000)
  expectProblem(await keyed(), 409, 'create_outcome_unknown')
  clocks.pass(MINUTE_MS)
  const found = await keyed()
  expect([found.status, found.headers['idempotency-replayed']]).toEqual([200, 'true'])
  expect(emulator.counts().create).toBe(1)
})

test('a clock set forward after a create was lost: what can still land does not count as absent', async () => {
  const idempotencyTimes = { settleMs: 1_500, unseenSettleMs: 2_000, recordingMs: 50, searchMs: 400 }
  await start({ idempotencyTimes, deadlines: { createMs: 300 } })
  const { emulator } = gateway
  // It lands a second after it was given up.
  emulator.misbehave('create', { kind: 'delay', ms: 1_300, when: 'before-processing' })
  const body = runOf('echo', { value: 1 })
  const keyed = () => send(`${gateway.url}/run`, { body, headers: { 'idempotency-key': 'k' } })
  expectProblem(await keyed(), 502, 'create_outcome_unknown')
  clocks.wallAheadMs += HOUR_MS
  expectProblem(await keyed(), 409, 'create_outcome_unknown')
  expect(emulator.counts().create).toBe(1)
})
