import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { type Answer, runOf, send, sendRaw } from '../../support/http.ts'

const LIMITED = 'test-token-of-the-limited'
const SLOW = 'test-token-of-the-creator'
const CROWD = 'test-token-of-the-crowd'
const FREE = 'test-token-of-the-free-one'
const FILE = `
callers:
  - { id: limited, tokens: ["${LIMITED}"], packages: ["*"], limits: { requestsPerMinute: 3 } }
  - { id: creator, tokens: ["${SLOW}"], packages: ["*"], limits: { requestsPerMinute: 1000, createsPerMinute: 2 } }
  - { id: crowd, tokens: ["${CROWD}"], packages: ["*"], limits: { concurrentRuns: 2 } }
  - { id: free, tokens: ["${FREE}"], packages: ["*"] }
`
let gateway: TestGateway
beforeEach(async () => {
  gateway = await startTestGateway({ env: { GATEWAY_CONFIG: 'c' }, files: { c: FILE } })
})
afterEach(() => gateway.close())

const run = (token: string, path = '/run') =>
  send(gateway.url + path, { token, body: runOf('echo', { value: 1 }) })
const upstreamRequests = () => Object.values(gateway.emulator.counts()).reduce((sum, count) => sum + count)

function expectRefused(answer: Answer, code: string): void {
  expect([answer.status, answer.json.code, answer.json.retryable]).toEqual([429, code, true])
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
}

describe('requests a minute', () => {
  test('are counted whatever their outcome, and shown with each answer', async () => {
    const paths = ['/tasks', '/queue/none', '/tasks/none']
    for (const path of paths) {
      const answer = await send(gateway.url + path, { token: LIMITED })
      const left = { '/tasks': 2, '/tasks/none': 1 }[path]
      // A route that does not exist needs no caller, so it does not count.
      if (left === undefined) expect(answer.headers.ratelimit).toBeUndefined()
      else {
        expect(answer.headers['ratelimit-policy']).toBe('"requests";q=3;w=60')
        expect(answer.headers.ratelimit).toMatch(new RegExp(`^"requests";r=${left};t=(60|59)$`))
      }
    }
    const denied = await send(`${gateway.url}/queue/pause`, { token: LIMITED, method: 'POST' })
    expect([denied.status, denied.headers.ratelimit]).toEqual([403, expect.stringContaining('r=0')])
  })

  test('beyond the limit nothing reaches upstream, and other callers are served', async () => {
    const statuses: number[] = []
    for (let at = 0; at < 3; at++) statuses.push((await run(LIMITED)).status)
    expect(statuses).toEqual([200, 200, 200])
    const before = upstreamRequests()
    const refused = await Promise.all(Array.from({ length: 200 }, () => run(LIMITED)))
    for (const answer of refused) expectRefused(answer, 'rate_limited')
    expect(refused[0]?.headers.ratelimit).toMatch(/^"requests";r=0;t=\d+$/)
    expect(upstreamRequests()).toBe(before)
    for (const path of ['/run', '/tasks']) expect((await run(FREE, path)).status).toBeLessThan(300)
    expect((await run(FREE)).headers.ratelimit).toBeUndefined()
  })

  test('a refusal does not wait for the body', async () => {
    for (let at = 0; at < 3; at++) await send(`${gateway.url}/tasks`, { token: LIMITED })
    const head = `POST /run HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${LIMITED}\r\ncontent-length: 1000\r\n\r\n`
    const answer = await sendRaw(gateway.url, head)
    expect(answer).toMatch(/^HTTP\/1\.1 429 /)
    expect(answer).toMatch(/\r\nconnection: close\r\n/i)
  })
})

describe('creates a minute', () => {
  test.each(['/run', '/tasks', '/v3/users/me/tasks'])(
    'are counted at %s and at the other routes together',
    async (path) => {
      const body = { type: 'serverless', ...runOf('echo') }
      const create = (route: string) => send(gateway.url + route, { token: SLOW, body })
      const first = await create(path)
      expect(first.status).toBeLessThan(300)
      expect(first.headers['ratelimit-policy']).toBe('"requests";q=1000;w=60, "creates";q=2;w=60')
      expect(first.headers.ratelimit).toMatch(/^"requests";r=999;t=\d+, "creates";r=1;t=\d+$/)
      expect((await create('/run')).status).toBe(200)
      for (const route of ['/run', '/tasks', '/v3/users/me/tasks'])
        expectRefused(await create(route), 'rate_limited')
      expect(gateway.emulator.counts().create).toBe(2)
      expect((await send(`${gateway.url}/tasks`, { token: SLOW })).status).toBe(200)
    },
  )

  test('at the limit a form is refused before its files go upstream', async () => {
    for (let at = 0; at < 2; at++) expect((await run(SLOW)).status).toBe(200)
    const part =
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\ntext\r\n--b--\r\n'
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    for (const prefer of ['wait=1', 'respond-async']) {
      const form = { token: SLOW, body: part, headers: { ...headers, prefer } }
      expectRefused(await send(`${gateway.url}/run`, form), 'rate_limited')
    }
    expect(gateway.emulator.counts()['upload-init']).toBe(0)
  })

  test('the repeat of a create does not count, and is answered at the limit', async () => {
    const repeat = () =>
      send(`${gateway.url}/tasks`, {
        token: SLOW,
        body: runOf('echo'),
        headers: { 'idempotency-key': 'one' },
      })
    const first = await repeat()
    expect((await run(SLOW)).status).toBe(200)
    expectRefused(await run(SLOW), 'rate_limited')
    const again = await repeat()
    expect([again.status, again.json.taskID]).toEqual([202, first.json.taskID])
    expect(gateway.emulator.counts().create).toBe(2)
  })

  test('requests that are refused for another reason do not count', async () => {
    for (let at = 0; at < 5; at++) {
      const answer = await send(`${gateway.url}/run`, { token: SLOW, body: { packageName: 1 } })
      expect(answer.status).toBe(400)
    }
    expect((await run(SLOW)).status).toBe(200)
  })
})

describe('concurrent runs', () => {
  test('beyond the limit a run is refused before it is created, until one has ended', async () => {
    const hold = () => send(`${gateway.url}/run?wait=20`, { token: CROWD, body: runOf('hold') })
    const held = [hold(), hold()]
    await gateway.emulator.arrived('create', 2)
    expectRefused(await hold(), 'too_many_runs')
    expectRefused(
      await send(`${gateway.url}/run`, {
        token: CROWD,
        body: runOf('hold'),
        headers: { accept: 'text/event-stream' },
      }),
      'too_many_runs',
    )
    expect(gateway.emulator.counts().create).toBe(2)
    // Requests that do not wait are no concurrent runs, and other callers have their own limits.
    expect((await send(`${gateway.url}/tasks`, { token: CROWD, body: runOf('hold') })).status).toBe(202)
    expect((await run(FREE)).status).toBe(200)
    for (const { taskID } of gateway.emulator.tasks(KEY).slice(0, 1)) {
      gateway.emulator.finish(taskID, { status: 'success', resultData: [{}] })
    }
    expect((await Promise.race(held)).status).toBe(200)
    expect((await run(CROWD)).status).toBe(200)
  })

  test('a run is released when its caller leaves or its request fails', async () => {
    for (let round = 0; round < 5; round++) {
      const leaving = new AbortController()
      const answers = [0, 1].map(() =>
        send(`${gateway.url}/run?wait=20`, {
          token: CROWD,
          body: runOf('hold'),
          signal: leaving.signal,
        }).catch(() => 'left'),
      )
      await gateway.emulator.arrived('create', 2)
      gateway.emulator.resetCounts()
      leaving.abort()
      expect(await Promise.all(answers)).toEqual(['left', 'left'])
      await expect
        .poll(async () => (await send(`${gateway.url}/run`, { token: CROWD, body: {} })).status, {
          timeout: 5_000,
        })
        .toBe(400)
    }
    expect((await run(CROWD)).status).toBe(200)
  })
})
