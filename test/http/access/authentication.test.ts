import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, TOKEN } from '../../support/gateway.ts'
import { runOf, send, sendExactly } from '../../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../../support/problem.ts'
import { guardedRoutes } from '../../support/routes.ts'

const gateway = await startTestGateway({ env: { COOKIE_MODE: 'on', TRUST_PROXY: '127.0.0.1' } })

/** Each request has an address of its own, because wrong tokens are limited per address. */
let addresses = 0
const nextAddress = () => `x-forwarded-for: 10.0.${++addresses >> 8}.${addresses & 255}`

const ROUTES = guardedRoutes(gateway.gateway.routes)
const nameOf = ({ method, url }: { method: string; url: string }) => `${method} ${url}`
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

/** Sends a request that is valid except for its credentials. An answer to HEAD has no body to check. */
async function refused(
  { method, path }: { method: string; path: string },
  given: { headers?: string[]; query?: string },
  status: 400 | 401,
): Promise<void> {
  const answer = await sendExactly(gateway.url, `${path}${given.query ?? ''}`, {
    method,
    token: null,
    headers: [
      'content-type: application/json',
      'sec-fetch-site: same-origin',
      nextAddress(),
      ...(given.headers ?? []),
    ],
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: JSON.stringify(runOf('echo')) }),
  })
  if (method === 'HEAD') expect(answer.status).toBe(status)
  else expectProblem(answer, status, status === 401 ? 'unauthenticated' : 'invalid_request')
  if (status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer')
  expectNothingUpstream(gateway.emulator.counts())
}

test.each(ROUTES)('$method $url without a token is 401', (route) => refused(route, {}, 401))

/** One hook guards all routes, so the whole table is tried on two of them: one without a body and one with. */
const WHOLE_TABLE = ['GET /tasks', 'POST /v3/users/me/tasks']

test('both surfaces are behind a token', () => {
  expect(ROUTES.length).toBeGreaterThanOrEqual(20)
  expect(ROUTES.map(nameOf)).toEqual(expect.arrayContaining(WHOLE_TABLE))
})

describe.each(ROUTES.filter((route) => WHOLE_TABLE.includes(nameOf(route))))('$method $url', (route) => {
  test.each([
    ['a wrong one', 'authorization: Bearer test-token-zzzzzzzzzzzzzzzz'],
    ['one that begins like a right one', `authorization: Bearer ${TOKEN.slice(0, -1)}`],
    ['a right one and more', `authorization: Bearer ${TOKEN}a`],
    ['an empty one', 'authorization: '],
    ['an empty Bearer', 'authorization: Bearer '],
    ['another scheme', `authorization: Basic ${TOKEN}`],
    ['two in one header', `authorization: Bearer ${TOKEN}, Bearer ${TOKEN}`],
    ['in X-API-Key', `x-api-key: ${TOKEN}`],
  ])('with %s is 401', (_what, header) => refused(route, { headers: [header] }, 401))

  test('with a wrong token and a valid cookie is 401', () =>
    refused(route, { headers: ['authorization: Bearer wrong', 'cookie: oomol-token=emulator-cookie'] }, 401))

  test.each(['token', 'access_token', 'authorization', 'api_key'])('with the token as ?%s is 401', (name) =>
    refused(route, { query: `?${name}=${TOKEN}` }, 401),
  )

  test.each([
    ['the same twice', `Bearer ${TOKEN}`, `Bearer ${TOKEN}`],
    ['a right and a wrong one', `Bearer ${TOKEN}`, 'Bearer wrong'],
    ['a wrong and a right one', 'Bearer wrong', `Bearer ${TOKEN}`],
  ])('with two Authorization headers, %s, is 400', (_what, first, second) =>
    refused(route, { headers: [`authorization: ${first}`, `Authorization: ${second}`] }, 400),
  )

  test.each([
    ['in one header', ['cookie: oomol-token=emulator-cookie; oomol-token=other']],
    ['in two headers', ['cookie: oomol-token=emulator-cookie', 'cookie: a=b; oomol-token=other']],
    ['one with a space before its =', ['cookie: oomol-token=emulator-cookie;oomol-token =other']],
  ])('with two oomol-token cookies, %s, is 400', (_what, headers) => refused(route, { headers }, 400))
})

test.each([
  ['Bearer', `Bearer ${TOKEN}`],
  ['bearer in lower case', `bearer ${TOKEN}`],
  ['the bare token that the CLI sends', TOKEN],
])('%s is accepted', async (_what, authorization) => {
  const answer = await send(`${gateway.url}/queue`, { token: null, headers: { authorization } })
  expect(answer.status).toBe(200)
})

test('without COOKIE_MODE a cookie is no credential', async () => {
  const closed = await startTestGateway()
  try {
    const headers = { cookie: 'oomol-token=emulator-cookie' }
    expectProblem(await send(`${closed.url}/queue`, { token: null, headers }), 401, 'unauthenticated')
    expectNothingUpstream(closed.emulator.counts())
  } finally {
    await closed.close()
  }
})

test.each(['a"b', 'a,b', 'ümlaut', 'x'.repeat(4097)])(
  'a malformed cookie (%#) is 401 and does not go upstream',
  async (value) => {
    const headers = [`cookie: oomol-token=${value}`]
    const answer = await sendExactly(gateway.url, '/queue', { token: null, headers })
    expectProblem(answer, 401, 'unauthenticated')
    expectNothingUpstream(gateway.emulator.counts())
  },
)
