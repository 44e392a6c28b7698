import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { KEY, OTHER_TOKEN, startTestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send, sendExactly } from '../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../support/problem.ts'

const ORIGIN = 'https://app.example'
const gateway = await startTestGateway({ env: { COOKIE_MODE: 'on', ALLOWED_ORIGINS: ORIGIN } })
const { emulator } = gateway
beforeEach(() => emulator.resetCounts())
afterAll(() => gateway.close())

const COOKIE = 'cookie: oomol-token=emulator-cookie'
const BODY = JSON.stringify({ type: 'serverless', ...runOf('echo') })
const JSON_TYPE = 'content-type: application/json'

/** What reached upstream of the credentials there are: header lines, as they came. */
function credentialsUpstream(): string[] {
  return emulator.requests().flatMap(({ rawHeaders }) => {
    const lines: string[] = []
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (/^(authorization|cookie|x-api-key|proxy-authorization)$/i.test(rawHeaders[at] ?? '')) {
        lines.push(`${rawHeaders[at]?.toLowerCase()}: ${rawHeaders[at + 1]}`)
      }
    }
    return [lines.join(' and ')]
  })
}

const READS = [
  '/tasks',
  '/queue',
  '/tasks/latest?workloadIDs=a',
  '/v3/users/me/tasks',
  '/v3/users/me/dashboard',
]

test.each(READS)("an app's GET %s goes up with the key alone, whatever it brings", async (path) => {
  const headers = [`${COOKIE}; other=1`, 'x-api-key: mine', 'proxy-authorization: Basic eA==']
  expect((await sendExactly(gateway.url, path, { headers })).status).toBe(200)
  expect(credentialsUpstream()).toEqual([`authorization: Bearer ${KEY}`])
})

test.each(READS)("a user's GET %s goes up with its cookie alone", async (path) => {
  const headers = ['cookie: a=b; oomol-token=emulator-cookie; session=secret']
  expect((await sendExactly(gateway.url, path, { token: null, headers })).status).toBe(200)
  expect(credentialsUpstream()).toEqual(['cookie: oomol-token=emulator-cookie'])
})

test.each(['/run', '/tasks', '/v3/users/me/tasks'])('POST %s goes up with one credential', async (path) => {
  const asApp = { method: 'POST', body: BODY, headers: [JSON_TYPE, COOKIE] }
  expect((await sendExactly(gateway.url, path, asApp)).status).toBeLessThan(300)
  expect([...new Set(credentialsUpstream())]).toEqual([`authorization: Bearer ${KEY}`])
  emulator.resetCounts()
  const asUser = { ...asApp, token: null, headers: [...asApp.headers, `origin: ${ORIGIN}`] }
  expect((await sendExactly(gateway.url, path, asUser)).status).toBeLessThan(300)
  expect([...new Set(credentialsUpstream())]).toEqual(['cookie: oomol-token=emulator-cookie'])
})

test('a user and an app do not see each other’s tasks', async () => {
  const user = { token: null, headers: { cookie: 'oomol-token=emulator-cookie', origin: ORIGIN } }
  const { taskID } = (await send(`${gateway.url}/tasks`, { ...user, body: runOf('echo') })).json
  expect((await send(`${gateway.url}/tasks/${taskID}`, user)).status).toBe(200)
  for (const path of [`/tasks/${taskID}`, `/tasks/${taskID}/result`, `/v3/users/me/tasks/${taskID}/logs`]) {
    expectProblem(await send(gateway.url + path), 404, 'not_found')
  }
  const own = (await send(`${gateway.url}/tasks`, { body: runOf('echo') })).json.taskID
  expectProblem(await send(`${gateway.url}/tasks/${own}`, user), 404, 'not_found')
  expectProblem(await send(`${gateway.url}/tasks/${own}`, { token: OTHER_TOKEN }), 404, 'not_found')
})

describe('a cookie that came with a browser', () => {
  const WRITES = ['/run', '/v3/users/me/tasks', '/tasks', '/queue/pause', '/v3/user/resume']
  /** One route of each kind gets every page; that the others check it as well, one page of each sort shows. */
  const THOROUGH = ['/run', '/v3/users/me/tasks']
  const FOREIGN = [
    ['another origin', ['origin: https://evil.example']],
    ['nothing', []],
    ['null', ['origin: null']],
    ['an origin that ends alike', ['origin: https://evilapp.example']],
    ['an origin that begins alike', [`origin: ${ORIGIN}.evil`]],
    ['another scheme', ['origin: http://app.example']],
    ['another port', [`origin: ${ORIGIN}:8443`]],
    ['capitals', ['origin: https://APP.example']],
    ['a Referer alone', [`referer: ${ORIGIN}/`]],
    ['same-site', ['sec-fetch-site: same-site']],
    ['cross-site', ['sec-fetch-site: cross-site']],
    ['none', ['sec-fetch-site: none']],
  ] as const
  const OWN = [[[`origin: ${ORIGIN}`]], [['sec-fetch-site: same-origin']]]

  describe.each(WRITES)('POST %s', (path) => {
    const ask = (...headers: string[]) =>
      sendExactly(gateway.url, path, {
        method: 'POST',
        token: null,
        headers: [JSON_TYPE, COOKIE, ...headers],
        body: BODY,
      })
    const isThorough = THOROUGH.includes(path)

    test.each(isThorough ? FOREIGN : FOREIGN.slice(0, 1))('%s is 403', async (_what, headers) => {
      expectProblem(await ask(...headers), 403, 'origin_denied')
      expectNothingUpstream(emulator.counts())
    })

    test.each(isThorough ? OWN : OWN.slice(0, 1))('%s is accepted', async (headers) => {
      expect((await ask(...headers)).status).toBeLessThan(300)
    })
  })

  test('a token needs no origin', async () => {
    const options = {
      method: 'POST',
      headers: [JSON_TYPE, COOKIE, 'sec-fetch-site: cross-site'],
      body: BODY,
    }
    expect((await sendExactly(gateway.url, '/tasks', options)).status).toBe(202)
  })
})

test('what upstream says to a user about its cookie is for the user', async () => {
  const user = { token: null, headers: { cookie: 'oomol-token=unknown-there' } }
  expectProblem(await send(`${gateway.url}/queue`, user), 401, 'unauthenticated')
  emulator.misbehave('dashboard', { kind: 'status', status: 403, body: '{"message":"no seat"}' })
  const known = { token: null, headers: { cookie: 'oomol-token=emulator-cookie' } }
  const problem = expectProblem(await send(`${gateway.url}/queue`, known), 403, 'upstream_rejected')
  expect(problem.detail).toBe('no seat')
})

test("of a caller's headers none goes up", async () => {
  const canary = [
    'x-forwarded-for: 1.2.3.4',
    'x-forwarded-host: canary',
    'forwarded: for=canary',
    'x-real-ip: 1.2.3.4',
    'via: canary',
    'te: trailers',
    'x-canary: canary',
    'user-agent: canary',
    'accept: text/canary',
    'accept-language: canary',
    'referer: https://canary',
    'x-request-id: canary',
    'idempotency-key: canary',
    'if-none-match: canary',
    'range: bytes=0-1',
    'traceparent: canary',
    'baggage: canary',
    'x-http-method-override: DELETE',
  ]
  await sendExactly(gateway.url, '/tasks', { method: 'POST', headers: [JSON_TYPE, ...canary], body: BODY })
  await sendExactly(gateway.url, '/queue', { headers: canary })
  const names = emulator.requests().map(({ headers }) => Object.keys(headers).sort())
  const always = ['accept', 'accept-encoding', 'authorization', 'connection', 'host', 'user-agent']
  expect(names).toEqual([[...always, 'content-length', 'content-type'].sort(), always])
  for (const { headers } of emulator.requests()) {
    expect(headers).toMatchObject({
      host: new URL(emulator.url).host,
      'accept-encoding': 'identity',
      'user-agent': 'oomol-gateway/0.0.0',
    })
    expect(JSON.stringify(headers)).not.toContain('canary')
  }
})

test("of upstream's headers none comes back", async () => {
  const headers = {
    'set-cookie': 'oomol-token=canary',
    server: 'canary',
    via: 'canary',
    'x-powered-by': 'canary',
    'x-request-id': 'canary',
    'access-control-allow-origin': '*',
    'keep-alive': 'timeout=77',
    'proxy-authenticate': 'canary',
    'content-type': 'text/html',
    'cache-control': 'public, max-age=99',
    'strict-transport-security': 'max-age=99',
    link: '<canary>',
    location: 'https://canary',
    etag: '"canary"',
  }
  const body = '{"paused":false}'
  emulator.misbehave('dashboard', { kind: 'status', status: 200, headers, body })
  const answer = await send(`${gateway.url}/queue`)
  expect([answer.status, answer.text]).toEqual([200, body])
  expect(JSON.stringify(answer.headers)).not.toMatch(/canary|public|=99|timeout=77/)
  expect(answer.headers['content-type']).toContain('application/json')
  emulator.misbehave('dashboard', { kind: 'status', status: 400, headers })
  expect(JSON.stringify((await send(`${gateway.url}/queue`)).headers)).not.toMatch(/canary|public|=99/)
})

describe('GATEWAY_AUTH=none', () => {
  test.each([
    ['nothing', []],
    ['some key, as clients insist', ['authorization: Bearer whatever']],
    ['a cookie', [COOKIE]],
  ] as const)('%s acts with the key, as a plain token', async (_what, headers) => {
    const env = { GATEWAY_AUTH: 'none', GATEWAY_TOKENS: undefined }
    const open = await startTestGateway({ emulator, env })
    try {
      expect((await sendExactly(open.url, '/queue', { token: null, headers })).status).toBe(200)
      expect(credentialsUpstream()).toEqual([`authorization: Bearer ${KEY}`])
      const pause = await sendExactly(open.url, '/queue/pause', { method: 'POST', token: null, headers })
      expectProblem(pause, 403, 'insufficient_scope')
    } finally {
      await open.close()
    }
  })

  test('a token that is known still tells who it is, and a wrong one is 401', async () => {
    const open = await startTestGateway({ emulator, env: { GATEWAY_AUTH: 'none' } })
    try {
      await send(`${open.url}/queue`, { token: TOKEN })
      await send(`${open.url}/queue`, { token: null })
      expect(open.logs.flatMap(({ caller }) => caller ?? [])).toEqual(['app', ':anyone'])
      expectProblem(await send(`${open.url}/queue`, { token: 'wrong' }), 401, 'unauthenticated')
    } finally {
      await open.close()
    }
  })
})
