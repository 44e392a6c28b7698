import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../src/emulator/emulator.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { until, within } from '../support/within.ts'

let gateway: TestGateway
let taskID = ''
/** Where no redirect may lead. */
let trapped = 0
const trap = createServer((_request, response) => {
  trapped += 1
  response.end('{}')
})
await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
const TRAP = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/trap`

beforeAll(async () => {
  gateway = await startTestGateway({ deadlines: { readMs: 300, createMs: 300 } })
  taskID = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json.taskID
})
beforeEach(async () => {
  // A create that succeeds, so that never so many fail in a row that the breaker opens.
  await send(`${gateway.url}/tasks`, { body: runOf('echo') })
  gateway.logs.length = 0
  gateway.emulator.resetCounts()
  trapped = 0
})
afterAll(async () => {
  trap.close()
  await gateway.close()
})

const status = (code: number, rest: { body?: string; headers?: Record<string, string> } = {}): Fault => ({
  kind: 'status',
  status: code,
  ...rest,
})
const UNKNOWN = [502, 'create_outcome_unknown'] as const
const INVALID = [502, 'upstream_invalid_response'] as const
const UNREACHABLE = [502, 'upstream_unreachable'] as const
const TIMEOUT = [504, 'upstream_timeout'] as const
const ERROR = [502, 'upstream_error'] as const
const AUTH = [502, 'upstream_auth_failed'] as const
type Expected = readonly [status: number, code: string]

const FAULTS: readonly (readonly [what: string, fault: Fault, read: Expected, create: Expected])[] = [
  ['a reset before anything happened', { kind: 'reset', when: 'before-processing' }, UNREACHABLE, UNKNOWN],
  ['a reset before the answer', { kind: 'reset', when: 'before-answer' }, UNREACHABLE, UNKNOWN],
  ['a reset amid the answer', { kind: 'reset', when: 'mid-answer' }, UNREACHABLE, UNKNOWN],
  ['an end without a byte', { kind: 'no-answer-close' }, UNREACHABLE, UNKNOWN],
  ['silence', { kind: 'hang' }, TIMEOUT, UNKNOWN],
  ['an answer in drips', { kind: 'drip', intervalMs: 50 }, TIMEOUT, UNKNOWN],
  ['early hints for ever', { kind: 'endless-103', intervalMs: 20 }, TIMEOUT, UNKNOWN],
  ['HTML', { kind: 'html' }, INVALID, UNKNOWN],
  ['HTML with 500', { kind: 'html', status: 500 }, ERROR, UNKNOWN],
  ['HTML with 502', { kind: 'html', status: 502 }, ERROR, UNKNOWN],
  ['HTML with 503', { kind: 'html', status: 503 }, [503, 'upstream_unavailable'], UNKNOWN],
  ['HTML with 403', { kind: 'html', status: 403 }, AUTH, AUTH],
  ['HTML with 404', { kind: 'html', status: 404 }, [404, 'not_found'], [404, 'upstream_rejected']],
  ['truncated JSON', { kind: 'truncated-json' }, INVALID, UNKNOWN],
  ['invalid JSON', { kind: 'invalid-json' }, INVALID, UNKNOWN],
  ['a redirect', { kind: 'redirect', location: TRAP }, INVALID, UNKNOWN],
  ['a redirect that keeps the method', { kind: 'redirect', location: TRAP, status: 307 }, INVALID, UNKNOWN],
  ['gzip', { kind: 'gzip' }, INVALID, UNKNOWN],
  ['11 MiB', { kind: 'huge', bytes: 11 * 1024 ** 2 }, INVALID, UNKNOWN],
  ['an empty 204', status(204, { body: '' }), INVALID, UNKNOWN],
  ['400', status(400), [400, 'upstream_rejected'], [400, 'upstream_rejected']],
  ['401', status(401), AUTH, AUTH],
  ['402', status(402), [402, 'insufficient_quota'], [402, 'insufficient_quota']],
  ['403', status(403), AUTH, AUTH],
  ['404', status(404), [404, 'not_found'], [404, 'upstream_rejected']],
  ['409', status(409), [409, 'upstream_rejected'], [409, 'upstream_rejected']],
  ['418', status(418), ERROR, ERROR],
  ['422', status(422), [422, 'upstream_rejected'], [422, 'upstream_rejected']],
  ['429', status(429), [429, 'upstream_rate_limited'], [429, 'upstream_rate_limited']],
  ['500', status(500), ERROR, ERROR],
  ['502', status(502), ERROR, UNKNOWN],
  ['503', status(503), [503, 'upstream_unavailable'], [503, 'upstream_unavailable']],
  ['504', status(504), ERROR, UNKNOWN],
  ['999', status(999), INVALID, UNKNOWN],
]
/** A broken read is made once more, so it has to break twice. */
const isBreak = (fault: Fault) => fault.kind === 'reset' || fault.kind === 'no-answer-close'

async function expectReadFails(path: string, fault: Fault, expected: Expected): Promise<void> {
  const undo = gateway.emulator.misbehave('detail', fault, 2)
  const answer = await send(gateway.url + path.replace('TASK', taskID))
  undo()
  expectProblem(answer, ...expected)
  expect(answer.text).not.toMatch(/127\.0\.0\.1|ECONN|UND_ERR|HPE_|undici|<html/)
  expect(gateway.emulator.counts().detail).toBe(isBreak(fault) ? 2 : 1)
  expect(trapped).toBe(0)
}

async function expectCreateFails(path: string, fault: Fault, expected: Expected): Promise<void> {
  const undo = gateway.emulator.misbehave('create', fault)
  const answer = await send(gateway.url + path, { body: { type: 'serverless', ...runOf('echo') } })
  undo()
  const { retryable } = expectProblem(answer, ...expected)
  if (expected[1] === 'create_outcome_unknown') expect(retryable).toBe(false)
  expect(answer.text).not.toMatch(/127\.0\.0\.1|ECONN|UND_ERR|HPE_|undici|<html/)
  expect(gateway.emulator.counts()).toMatchObject({ create: 1, unknown: 0 })
  expect(trapped).toBe(0)
}

// One read and one create meet every fault. That the other doors lead to the same calls, three faults show.
describe.each(FAULTS)('%s', (_what, fault, read, create) => {
  test(`of GET /tasks/TASK is ${read.join(' ')}`, () => expectReadFails('/tasks/TASK', fault, read))

  test(`of the create behind POST /run is ${create.join(' ')}, after one create`, () =>
    expectCreateFails('/run', fault, create))
})

const RESET: Fault = { kind: 'reset', when: 'before-answer' }

test.each([
  [RESET, UNREACHABLE],
  [{ kind: 'hang' }, TIMEOUT],
  [status(402), [402, 'insufficient_quota']],
] as const)('a native read that meets %j is %j', (fault, expected) =>
  expectReadFails('/v3/users/me/tasks/TASK', fault, expected),
)

describe.each(['/tasks', '/v3/users/me/tasks'])('the create behind POST %s', (path) => {
  test.each([
    [RESET, UNKNOWN],
    [{ kind: 'hang' }, UNKNOWN],
    [status(402), [402, 'insufficient_quota']],
  ] as const)('that meets %j is %j, after one create', (fault, expected) =>
    expectCreateFails(path, fault, expected),
  )
})

test.each([{ kind: 'reset', when: 'mid-answer' }, { kind: 'no-answer-close' }] as const)(
  'a read that breaks once (%j) is made once more, and the caller does not notice',
  async (fault) => {
    gateway.emulator.misbehave('detail', fault)
    expect((await send(`${gateway.url}/tasks/${taskID}`)).status).toBe(200)
    expect(gateway.emulator.counts().detail).toBe(2)
  },
)

test.each(['pause', 'resume'] as const)('a %s that breaks is not made again', async (operation) => {
  gateway.emulator.misbehave(operation, { kind: 'reset', when: 'before-answer' })
  const user = await startTestGateway({ emulator: gateway.emulator, env: { COOKIE_MODE: 'on' } })
  try {
    const headers = { cookie: 'oomol-token=emulator-cookie', 'sec-fetch-site': 'same-origin' }
    const answer = await send(`${user.url}/queue/${operation}`, { token: null, method: 'POST', headers })
    expectProblem(answer, 502, 'upstream_unreachable')
    expect(gateway.emulator.counts()[operation]).toBe(1)
  } finally {
    await user.close()
  }
})

describe('the Retry-After of upstream', () => {
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toUTCString()

  async function askedToWait(code: 429 | 503, value: string | undefined): Promise<number> {
    const headers: Record<string, string> = value === undefined ? {} : { 'retry-after': value }
    gateway.emulator.misbehave('detail', status(code, { headers }))
    const answer = await send(`${gateway.url}/tasks/${taskID}`)
    expectProblem(answer, code, code === 429 ? 'upstream_rate_limited' : 'upstream_unavailable')
    expect(answer.headers['retry-after']).toMatch(/^\d+$/)
    return Number(answer.headers['retry-after'])
  }

  test.each([
    ['none', undefined, 5, 5],
    ['seconds', '7', 7, 7],
    ['zero', '0', 1, 1],
    ['negative', '-3', 5, 5],
    ['a fraction', '1.5', 5, 5],
    ['garbage', 'soon', 5, 5],
    ['empty', '', 5, 5],
    ['a list', '1, 2', 5, 5],
    ['huge', '1000000000000', 60, 60],
    ['in exponents', '1e12', 5, 5],
    ['as long as a line', '9'.repeat(5000), 60, 60],
    ['a date', new Date(Date.now() + 20_000).toUTCString(), 1, 20],
    ['a date in the past', inHours(-1), 1, 1],
    ['a far date', inHours(1e6), 60, 60],
    ['an invalid date', 'Xxx, 99 Foo 2026 99:99:99 GMT', 5, 5],
  ])('with 429: %s is a whole number within bounds', async (_what, value, least, most) => {
    const seconds = await askedToWait(429, value)
    expect(seconds).toBeGreaterThanOrEqual(least)
    expect(seconds).toBeLessThanOrEqual(most)
  })

  test('is read the same way with 503', async () => {
    expect([await askedToWait(503, '7'), await askedToWait(503, undefined)]).toEqual([7, 5])
  })
})

test('the Retry-After of a refused create reaches its caller', async () => {
  gateway.emulator.misbehave('create', status(429, { headers: { 'retry-after': '3' } }))
  const answer = await send(`${gateway.url}/run`, { body: runOf('echo') })
  expect(answer.headers['retry-after']).toBe('3')
})

test('an upstream that does not listen is unreachable, and nothing was created', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const alone = await startTestGateway({ env: { OOMOL_BASE_URL: `http://127.0.0.1:${port}` } })
  try {
    const create = await send(`${alone.url}/run`, { body: runOf('echo') })
    expect(expectProblem(create, 502, 'upstream_unreachable').retryable).toBe(true)
    expectProblem(await send(`${alone.url}/queue`), 502, 'upstream_unreachable')
    expect(create.text).not.toContain(String(port))
  } finally {
    await alone.close()
  }
})

test("upstream's own words are plain text of at most 2 KiB, cut between characters", async () => {
  const words = `a\r\n\u0007b${'é'.repeat(3000)}`
  gateway.emulator.misbehave('detail', status(422, { body: JSON.stringify({ message: words }) }))
  const { detail } = expectProblem(await send(`${gateway.url}/tasks/${taskID}`), 422, 'upstream_rejected')
  expect(detail).toBe(`a b${'é'.repeat(1022)}`)
})

test.each(['{"message":7}', '[]', 'null', '', '{"error":{"message":"hidden"}}'])(
  'a rejection that says %s has words of ours',
  async (body) => {
    gateway.emulator.misbehave('detail', status(409, { body }))
    const answer = await send(`${gateway.url}/tasks/${taskID}`)
    expect(expectProblem(answer, 409, 'upstream_rejected').detail).toBe('Upstream rejected the request.')
  },
)

test('unknown fields and statuses come through', async () => {
  const body = '{"status":"reticulating","progress":0.5,"splines":[1e400]}'
  gateway.emulator.misbehave('result', status(200, { body }), 2)
  expect((await send(`${gateway.url}/v3/users/me/tasks/${taskID}/result`)).text).toBe(body)
  const answer = await send(`${gateway.url}/tasks/${taskID}/result`)
  expect([answer.status, answer.json]).toEqual([202, { taskID, status: 'reticulating', progress: 0.5 }])
  const detail = '{ "taskID" : "x","new":{"__proto__":1},"n":9007199254740993 }'
  gateway.emulator.misbehave('detail', status(200, { body: detail }))
  expect((await send(`${gateway.url}/tasks/${taskID}`)).text).toBe(detail)
})

test.each([
  '{}',
  '{"taskID":7}',
  '{"taskID":""}',
  '{"taskID":"../x"}',
  '{"taskID":"a/b"}',
  '[]',
  'null',
  '"a"',
])('a create answered with %s has an unknown outcome', async (body) => {
  gateway.emulator.misbehave('create', status(200, { body }))
  expectProblem(await send(`${gateway.url}/run`, { body: runOf('echo') }), ...UNKNOWN)
})

test('a caller that leaves during a read ends the call upstream', async () => {
  gateway.emulator.misbehave('detail', { kind: 'hang' })
  const arrived = gateway.emulator.arrived('detail')
  const abort = new AbortController()
  const asking = send(`${gateway.url}/tasks/${taskID}`, { signal: abort.signal }).catch(() => 'left')
  await within(arrived, 'the read did not arrive')
  abort.abort()
  expect(await asking).toBe('left')
  const isOver = () => gateway.logs.some(({ left, upstreamMs }) => left === true && upstreamMs !== undefined)
  // Well before its deadline would have ended it.
  await until(isOver, 'the call went on', 250)
})
