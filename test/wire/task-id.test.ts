import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { sendExactly } from '../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../support/problem.ts'

// The router decodes an escaped id, and URL folds `..`: with the organisation's key such an id would read
// other paths upstream.

const gateway = await startTestGateway({ env: { COOKIE_MODE: 'on' } })
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const ROUTES = gateway.gateway.routes.filter(
  ({ method, url }) => method !== 'HEAD' && url.includes(':taskID'),
)
/** One route of each kind gets every hazard; that the others check the id as well, one hazard shows. */
const THOROUGH = ['/tasks/:taskID', '/v3/users/me/tasks/:taskID']
const CANARY = 'canary7f3a'
const HAZARDS = [
  ['..%2f..%2fdashboard', `..%2f..%2f${CANARY}`],
  ['..', '..'],
  ['%2e%2e', '%2e%2e'],
  ['an escaped slash', `a%2f${CANARY}`],
  ['an escaped backslash', `a%5c${CANARY}`],
  ['an escaped #', `a%23${CANARY}`],
  ['an escaped ?', `a%3f${CANARY}`],
  ['NUL', `a%00${CANARY}`],
  ['CRLF', `a%0d%0ax-injected:%20${CANARY}`],
  ['a space', `a%20${CANARY}`],
  ['a doubly escaped slash', `a%252f${CANARY}`],
  ['a letter that is not ASCII', `a%c3%bc${CANARY}`],
  ['malformed UTF-8', `a%ff${CANARY}`],
  ['a malformed escape', `%zz${CANARY}`],
  ['an escape cut short', `${CANARY}%`],
  ['nothing', ''],
  ['200 characters', CANARY.padEnd(200, 'a')],
  ['500 characters', CANARY.padEnd(500, 'a')],
  ['5000 characters', CANARY.padEnd(5000, 'a')],
  ['__proto__', '__proto__'],
] as const

test('there are routes with a task id, the thorough ones among them', () => {
  expect(ROUTES.length).toBeGreaterThanOrEqual(7)
  expect(ROUTES.map(({ url }) => url)).toEqual(expect.arrayContaining(THOROUGH))
})

describe.each(ROUTES)('$method $url', ({ method, url }) => {
  const hazards = THOROUGH.includes(url) ? HAZARDS : HAZARDS.slice(0, 1)

  test.each(hazards)('an id of %s is 404, reflects nothing, and nothing goes upstream', async (_what, id) => {
    const answer = await sendExactly(gateway.url, url.replace(':taskID', id), {
      method,
      token: null,
      // A user may see whatever upstream shows it, so only the check of the id protects the other paths.
      headers: ['cookie: oomol-token=emulator-cookie', 'sec-fetch-site: same-origin'],
    })
    expectProblem(answer, 404, 'not_found')
    expect(JSON.stringify(answer)).not.toContain(CANARY)
    expect(answer.headers).not.toHaveProperty('x-injected')
    expect(answer.headers).not.toHaveProperty('x-task-id')
    expect(answer.headers['x-request-id']).toBe(answer.json.requestId)
    expectNothingUpstream(gateway.emulator.counts())
  })
})

test.each(['/%zz', `/tasks/${'a'.repeat(5000)}`, '/nowhere'])(
  'what leads to no route leaves one line in the log, without its path',
  async (target) => {
    gateway.logs.length = 0
    await sendExactly(gateway.url, target, { headers: ['x-request-id: one-line'] })
    const lines = gateway.logs.filter(({ msg }) => msg === 'request')
    expect(lines).toEqual([expect.objectContaining({ reqId: 'one-line', status: 404, route: 'none' })])
    expect(gateway.logs).toHaveLength(1)
  },
)
