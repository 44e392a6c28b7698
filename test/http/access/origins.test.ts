import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'
import { type Answer, runOf, type SendOptions, send, sendRaw } from '../../support/http.ts'

const GLOBAL = 'https://everyone.example'
const OWN = 'https://app.example'
const FOREIGN = 'https://evil.example'
const WEB = 'test-token-of-the-web-page'
const PLAIN = 'test-token-of-the-plain-one'
const TINY = 'test-token-of-the-tiny-one'
const FILE = `
callers:
  - { id: web, tokens: ["${WEB}"], packages: ["*"], origins: ["${OWN}"] }
  - { id: plain, tokens: ["${PLAIN}"], packages: ["*"] }
  - { id: tiny, tokens: ["${TINY}"], origins: ["${OWN}"], limits: { requestsPerMinute: 1 } }
functions:
  - { name: echo, package: "@emulator/basics", version: "1.1.0", block: echo }
`
const EXPOSED =
  'Location, Retry-After, Preference-Applied, X-Request-ID, X-Task-ID, Idempotency-Replayed, RateLimit, RateLimit-Policy'

let gateway: TestGateway
beforeAll(async () => {
  const env = { GATEWAY_CONFIG: 'c', GATEWAY_TOKENS: undefined, ALLOWED_ORIGINS: GLOBAL, COOKIE_MODE: 'on' }
  gateway = await startTestGateway({ env, files: { c: FILE } })
})
afterAll(() => gateway.close())

const from = (origin: string | undefined, path: string, options: SendOptions = {}) =>
  send(gateway.url + path, { ...options, headers: { ...options.headers, ...(origin ? { origin } : {}) } })

const corsHeadersOf = ({ headers }: Answer) =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'))

function expectReadable(answer: Answer, origin: string): void {
  expect(answer.headers).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': EXPOSED,
  })
  expect(answer.headers.vary).toMatch(/\bOrigin\b/)
}

function expectUnreadable(answer: Answer): void {
  expect(corsHeadersOf(answer)).toEqual([])
  expect(answer.headers.vary).toMatch(/\bOrigin\b/)
}

describe('answers', () => {
  const big = Buffer.alloc(5 * 1024 * 1024, ' ')
  const json = { 'content-type': 'application/json' }
  const cases: [number, string, SendOptions][] = [
    [200, '/tasks', { token: WEB }],
    [202, '/tasks', { token: WEB, body: runOf('echo') }],
    [
      200,
      '/run',
      { token: WEB, body: runOf('echo', { value: 1 }), headers: { accept: 'text/event-stream' } },
    ],
    [400, '/run', { token: WEB, body: {} }],
    [400, '/tasks?size=0', { token: WEB }],
    [401, '/tasks', { token: null }],
    [401, '/tasks', { token: 'not-a-token-of-anybody' }],
    [403, '/queue/pause', { token: WEB, method: 'POST' }],
    [404, '/no/such/route', { token: WEB }],
    [404, '/tasks/none', { token: WEB }],
    [404, '/no/such/route', { method: 'OPTIONS', token: null }],
    [405, '/run', { method: 'GET', token: WEB }],
    [405, '/run', { method: 'OPTIONS', token: null }],
    [413, '/run', { token: WEB, body: big, headers: json }],
    [415, '/run', { token: WEB, body: 'x', headers: { 'content-type': 'text/plain' } }],
    [422, '/run', { token: WEB, body: runOf('fail', { message: 'no' }) }],
    [200, '/readyz', { token: null }],
    [200, '/openapi.json', { token: null }],
  ]
  test.each(cases)('%i of %s can be read by allowed pages, and varies', async (status, path, options) => {
    for (const origin of [OWN, GLOBAL]) {
      const answer = await from(origin, path, options)
      expect(answer.status, answer.text).toBe(status)
      expectReadable(answer, origin)
    }
  })

  test.each(cases)('%i of %s has no CORS headers for other pages', async (_status, path, options) => {
    const others = [
      undefined,
      FOREIGN,
      'null',
      `${OWN}.evil.example`,
      'http://app.example',
      `${OWN}:443`,
      '*',
    ]
    for (const origin of others) expectUnreadable(await from(origin, path, options))
  })

  test('429 and 502 can be read too', async () => {
    await from(OWN, '/tasks', { token: TINY })
    const limited = await from(OWN, '/tasks', { token: TINY })
    expect([limited.status, limited.headers.ratelimit]).toEqual([429, expect.any(String)])
    expectReadable(limited, OWN)
    gateway.emulator.misbehave('dashboard', { kind: 'html', status: 500 }, 2)
    const failed = await from(OWN, '/queue', { token: WEB })
    expect(failed.status).toBe(502)
    expectReadable(failed, OWN)
  })
})

describe('preflights', () => {
  const preflight = (origin: string, path: string, headers = {}) =>
    from(origin, path, {
      method: 'OPTIONS',
      token: null,
      headers: { 'access-control-request-method': 'POST', ...headers },
    })

  test.each(['/run', '/tasks/x/events', '/v3/users/me/tasks', '/livez'])(
    'need no token: %s',
    async (path) => {
      for (const origin of [OWN, GLOBAL]) {
        const answer = await preflight(origin, path, {
          'access-control-request-headers': 'authorization,x-anything',
        })
        expect([answer.status, answer.text]).toEqual([204, ''])
        expectReadable(answer, origin)
        expect(answer.headers['access-control-allow-methods']).toBe('GET, HEAD, POST, PUT')
        expect(answer.headers['access-control-max-age']).toBe('600')
        const allowed = String(answer.headers['access-control-allow-headers']).toLowerCase().split(', ')
        for (const name of [
          'authorization',
          'content-type',
          'idempotency-key',
          'prefer',
          'x-request-id',
          'x-file-size',
        ]) {
          expect(allowed).toContain(name)
        }
        expect(allowed).not.toContain('x-anything')
      }
    },
  )

  test.each([FOREIGN, 'null', 'https://APP.example'])('of %s are refused', async (origin) => {
    const answer = await preflight(origin, '/run')
    expect(answer.status).toBe(405)
    expectUnreadable(answer)
  })
})

describe('whose page it is', () => {
  const create = (origin: string | undefined, options: SendOptions) =>
    from(origin, '/tasks', { body: runOf('echo'), ...options })

  test.each<[string, string, string | undefined, number]>([
    ['web', WEB, OWN, 202],
    ['web', WEB, GLOBAL, 202],
    ['web', WEB, undefined, 202],
    ['plain', PLAIN, GLOBAL, 202],
    ['plain', PLAIN, undefined, 202],
    ['plain', PLAIN, OWN, 403],
    ['web', WEB, FOREIGN, 403],
    ['web', WEB, 'null', 403],
  ])('%s (%s) from %s: %i', async (name, token, origin, status) => {
    gateway.emulator.resetCounts()
    const answer = await create(origin, { token })
    expect(answer.status).toBe(status)
    expect(gateway.emulator.counts().create).toBe(status === 202 ? 1 : 0)
    if (status !== 403) return
    expect(answer.json.code).toBe('origin_denied')
    // The line is written after the answer.
    const line = () => gateway.logs.find(({ reqId }) => reqId === answer.headers['x-request-id'])
    await expect.poll(line, { timeout: 5_000 }).toMatchObject({ caller: name, failure: 'origin_denied' })
  })

  test('requests of foreign pages do not count against the limits of the caller', async () => {
    await from(OWN, '/tasks', { token: TINY })
    const answer = await from(FOREIGN, '/tasks', { token: TINY })
    expect([answer.status, answer.json.code]).toEqual([403, 'origin_denied'])
  })

  test("the gateway's own pages act with a token, also over http", async () => {
    expect((await create(gateway.url, { token: WEB })).status).toBe(202)
    const headers = { 'sec-fetch-site': 'same-origin' }
    expect((await create(FOREIGN, { token: WEB, headers })).status).toBe(202)
  })
})

describe('behind a proxy', () => {
  const page = 'https://front.example'
  const forwarded = { 'x-forwarded-host': 'front.example', 'x-forwarded-proto': 'https', origin: page }
  const create = (url: string, token: string | null, headers = {}) =>
    send(`${url}/tasks`, { token, body: runOf('echo'), headers: { ...forwarded, ...headers } })

  test('its host and protocol count only if it is trusted', async () => {
    expect((await create(gateway.url, WEB)).status).toBe(403)
    const env = { TRUST_PROXY: '127.0.0.1', COOKIE_MODE: 'on' }
    const trusting = await startTestGateway({ env, files: {} })
    try {
      expect((await create(trusting.url, TOKEN)).status).toBe(202)
      expect((await create(trusting.url, TOKEN, { 'x-forwarded-host': 'other.example' })).status).toBe(403)
      const cookie = { cookie: 'oomol-token=emulator-cookie' }
      expect((await create(trusting.url, null, cookie)).status).toBe(403)
    } finally {
      await trusting.close()
    }
  })
})

describe('with a cookie', () => {
  const cookie = { cookie: 'oomol-token=emulator-cookie' }
  const post = (headers: Record<string, string>) =>
    send(`${gateway.url}/tasks`, { token: null, body: runOf('echo'), headers: { ...cookie, ...headers } })

  test.each<[object, number]>([
    [{}, 403],
    [{ origin: GLOBAL }, 202],
    [{ origin: OWN }, 403],
    [{ origin: FOREIGN }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 202],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'none' }, 403],
    [{ origin: FOREIGN, 'sec-fetch-site': 'cross-site' }, 403],
    [{ referer: `${GLOBAL}/page` }, 403],
  ])('a change from %j: %i', async (headers, status) => {
    gateway.emulator.resetCounts()
    const answer = await post(headers as Record<string, string>)
    expect(answer.status).toBe(status)
    expect(gateway.emulator.counts().create).toBe(status === 202 ? 1 : 0)
  })

  test("the gateway's own Host proves nothing, because of DNS rebinding", async () => {
    expect((await post({ origin: gateway.url })).status).toBe(403)
  })

  test('reading needs no proof, and foreign pages can not read the answer', async () => {
    const read = (headers: object) =>
      send(`${gateway.url}/tasks`, { token: null, headers: { ...cookie, ...headers } })
    expect((await read({})).status).toBe(200)
    expect((await read({ origin: GLOBAL })).headers['access-control-allow-origin']).toBe(GLOBAL)
    // A page that is allowed for one app only can't read anything of a user.
    for (const origin of [OWN, FOREIGN, 'null']) {
      const answer = await read({ origin })
      expect([answer.status, answer.json.code]).toEqual([403, 'origin_denied'])
    }
    const head = await send(`${gateway.url}/tasks`, { method: 'HEAD', token: null, headers: cookie })
    expect(head.status).toBe(200)
  })

  test("the description hides a user's functions from pages that may not act for the user", async () => {
    const read = (headers: object) =>
      send(`${gateway.url}/openapi.json`, { token: null, headers: { ...cookie, ...headers } })
    expect((await read({})).json.paths).toHaveProperty('/run/echo')
    for (const origin of [OWN, FOREIGN, 'null']) {
      const answer = await read({ origin })
      expect(answer.status).toBe(200)
      expect(answer.json.paths).not.toHaveProperty('/run/echo')
    }
  })

  test('two Origin headers are 400', async () => {
    const answer = await sendRaw(
      gateway.url,
      `POST /tasks HTTP/1.1\r\nhost: g\r\norigin: ${GLOBAL}\r\norigin: ${FOREIGN}\r\ncookie: ${cookie.cookie}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('open to anyone', () => {
  test('programs are accepted, pages of unknown origins are not', async () => {
    const open = await startTestGateway({ env: { GATEWAY_AUTH: 'none', GATEWAY_TOKENS: undefined } })
    try {
      const post = (headers: Record<string, string>) =>
        send(`${open.url}/tasks`, { token: null, body: runOf('echo'), headers })
      expect((await post({})).status).toBe(202)
      expect((await post({ 'sec-fetch-site': 'same-origin', origin: open.url })).status).toBe(202)
      for (const origin of [FOREIGN, 'null', open.url]) expect((await post({ origin })).status).toBe(403)
      expect(open.emulator.counts().create).toBe(2)
    } finally {
      await open.close()
    }
  })
})

test('a page that reaches an open local gateway by DNS rebinding gets nothing', async () => {
  const open = await startTestGateway({ env: { GATEWAY_AUTH: 'none', GATEWAY_TOKENS: undefined } })
  try {
    const { port } = new URL(open.url)
    const get = (host: string) =>
      sendRaw(open.url, `GET /tasks HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    const refused = await get(`evil.example:${port}`)
    expect(refused).toMatch(/^HTTP\/1\.1 403 /)
    expect(refused).toContain('origin_denied')
    expect(open.emulator.counts().list).toBe(0)
    expect(await get(`localhost:${port}`)).toMatch(/^HTTP\/1\.1 200 /)
  } finally {
    await open.close()
  }
})
