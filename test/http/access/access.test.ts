import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RegisteredRoute } from '../../../src/http/server/route-table.ts'
import { CALLERS, type CallerName, TOKENS, WITH_THREE_CALLERS } from '../../support/callers-file.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { type SendOptions, send } from '../../support/http.ts'

/** Routes that need no caller. All others must name a scope. */
const PUBLIC_ROUTES = ['/livez', '/readyz', '/openapi.json', '/docs']
const isPublicPath = (url: string) =>
  PUBLIC_ROUTES.some((path) => url === path || (path === '/docs' && url.startsWith('/docs/')))
/** The route that @fastify/cors answers preflights with. */
const isPreflightRoute = ({ method, url }: RegisteredRoute) => method === 'OPTIONS' && url === '*'

/** The scopes of the three callers in the file. */
const SCOPES: Record<CallerName, readonly string[]> = {
  service: ['run', 'tasks:read', 'tasks:read:all', 'files:write', 'queue:read', 'queue:write'],
  frontend: ['run', 'tasks:read'],
  agent: ['run', 'tasks:read'],
}

/** A request to a route, and the status for each caller that has its scope. */
type Probe = SendOptions & { path?: string; service: number; frontend: number; agent: number }

const all = (status: number) => ({ service: status, frontend: status, agent: status })
const run = { packageName: '@emulator/basics', packageVersion: '1.1.0', blockName: 'echo', inputValues: {} }
const native = { type: 'serverless', ...run }
const TASK = 'task-without-owner'
const packages = { service: 200, frontend: 403, agent: 200 }
const upload = { body: '{}', headers: { 'content-type': 'application/json' } }

/** Every route of both surfaces, by `METHOD url`. `HEAD` is as `GET`. A route that is not here fails the test. */
const PROBES: Record<string, Probe> = {
  'POST /run': { body: run, ...packages },
  'POST /run/:function': { path: '/run/shout', body: {}, service: 200, frontend: 200, agent: 403 },
  'POST /tasks': { body: run, service: 202, frontend: 403, agent: 202 },
  'GET /tasks': all(200),
  'GET /tasks/latest': { path: '/tasks/latest?workloadIDs=w', ...all(200) },
  'GET /tasks/:taskID': all(404),
  'GET /tasks/:taskID/result': all(404),
  'GET /tasks/:taskID/events': all(404),
  'GET /tasks/:taskID/logs': all(404),
  'GET /queue': all(200),
  'POST /queue/pause': all(200),
  'POST /queue/resume': all(200),
  'POST /files': { ...upload, ...all(415) },
  'PUT /files/:name': { path: '/files/a.txt', body: 'text', ...all(201) },
  'GET /functions': all(200),
  'GET /functions/:function': { path: '/functions/whisper', service: 200, frontend: 200, agent: 403 },
  'POST /v3/users/me/tasks': { body: native, ...packages },
  'GET /v3/users/me/tasks': all(200),
  'GET /v3/users/me/tasks/latest': { path: '/v3/users/me/tasks/latest?workloadIDs=w', ...all(200) },
  'GET /v3/users/me/tasks/:taskID': all(404),
  'GET /v3/users/me/tasks/:taskID/result': all(404),
  'GET /v3/users/me/tasks/:taskID/logs': all(404),
  'GET /v3/users/me/dashboard': all(200),
  'POST /v3/user/pause': all(200),
  'POST /v3/user/resume': all(200),
  'POST /api/tasks/files/remote-cache/init': { body: { file_extension: '.txt', size: 3 }, ...all(200) },
  'GET /api/tasks/files/remote-cache/:uploadID/url': {
    path: '/api/tasks/files/remote-cache/none/url',
    ...all(404),
  },
  'GET /-/oomol/package-info/:packageName/:version': {
    path: '/-/oomol/package-info/%40emulator%2Fbasics/1.1.0',
    ...packages,
  },
  'POST /mcp': { body: { jsonrpc: '2.0', id: 1, method: 'ping' }, ...all(200) },
}

let gateway: TestGateway
let routes: RegisteredRoute[]
beforeAll(async () => {
  gateway = await startTestGateway(WITH_THREE_CALLERS)
  routes = gateway.gateway.routes.filter((route) => !isPreflightRoute(route))
})
afterAll(() => gateway.close())

const nameOf = ({ method, url }: RegisteredRoute) => `${method === 'HEAD' ? 'GET' : method} ${url}`

/** The status that the table expects of a route for a caller. */
function expectedStatus(route: RegisteredRoute, probe: Probe, caller: CallerName): number {
  return route.scope === 'any-caller' || SCOPES[caller].includes(String(route.scope)) ? probe[caller] : 403
}

function tryRoute(route: RegisteredRoute, probe: Probe, token: string | null) {
  const { path = route.url.replace(':taskID', TASK), body, headers } = probe
  const method = route.method as SendOptions['method']
  const accept = { accept: 'application/json, text/event-stream', ...headers }
  return send(gateway.url + path, { method, token, body, headers: accept })
}

test('every route names a scope or is on the public list', () => {
  expect(routes.length).toBeGreaterThan(20)
  const unscoped = routes.filter(
    ({ url, scope }) => !isPublicPath(url) && (scope === undefined || scope === 'public'),
  )
  expect(unscoped).toEqual([])
})

test('the routes on the public list have no scope', () => {
  const scoped = routes.filter(
    ({ url, scope }) => isPublicPath(url) && scope !== undefined && scope !== 'public',
  )
  expect(scoped).toEqual([])
})

test('every route with a scope is in the table', () => {
  const missing = routes.filter((route) => !isPublicPath(route.url) && PROBES[nameOf(route)] === undefined)
  expect(missing.map(nameOf)).toEqual([])
})

describe('caller x route', () => {
  test.each(CALLERS)('%s', async (caller) => {
    const wrong: object[] = []
    for (const route of routes) {
      const probe = PROBES[nameOf(route)]
      if (isPublicPath(route.url) || probe === undefined) continue
      const { status, text } = await tryRoute(route, probe, TOKENS[caller])
      const expected = expectedStatus(route, probe, caller)
      if (status !== expected) wrong.push({ route: nameOf(route), status, expected, text })
    }
    expect(wrong).toEqual([])
  })

  test.each([null, 'not-a-token-of-anybody'])('no caller at all: %s', async (token) => {
    // Wrong tokens are limited per address, so only the first routes are tried with one.
    const sample = token === null ? routes : routes.slice(0, 15)
    for (const route of sample) {
      const probe = PROBES[nameOf(route)]
      if (isPublicPath(route.url) || probe === undefined) continue
      const { status, headers } = await tryRoute(route, probe, token)
      expect([nameOf(route), status, headers['www-authenticate']]).toEqual([nameOf(route), 401, 'Bearer'])
    }
  })

  test('nothing that was refused reached upstream', async () => {
    gateway.emulator.resetCounts()
    for (const caller of CALLERS) {
      for (const route of routes) {
        const probe = PROBES[nameOf(route)]
        if (probe === undefined || expectedStatus(route, probe, caller) !== 403) continue
        const { json } = await tryRoute(
          { ...route, method: route.method.replace('HEAD', 'GET') },
          probe,
          TOKENS[caller],
        )
        expect(json.code).toMatch(/^(insufficient_scope|package_denied|function_denied)$/)
      }
    }
    expect(Object.values(gateway.emulator.counts()).filter((count) => count > 0)).toEqual([])
  })
})
