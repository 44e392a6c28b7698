import { afterAll, describe, expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { runOf, send, sendExactly } from '../../support/http.ts'
import { expectProblem } from '../../support/problem.ts'
import { toPath } from '../../support/routes.ts'
import { until } from '../../support/within.ts'

const gateway = await startTestGateway()
afterAll(() => gateway.close())

const ROUTES = gateway.gateway.routes.filter(({ scope }) => scope !== undefined)
const URLS = [...new Set(ROUTES.map(({ url }) => url))]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']

test.each([
  ['GET', '/'],
  ['GET', '/nowhere'],
  ['POST', '/runs'],
  ['GET', '/tasks/'],
  ['GET', '/Tasks'],
  ['GET', '/v3'],
  ['GET', '/v3/users/me'],
  ['GET', '/v3/users/other/tasks'],
  ['GET', '//tasks'],
  ['GET', '/tasks/a/b'],
  ['GET', '/../etc/passwd'],
  ['GET', '/v1/users/me/tasks'],
  ['PROPFIND', '/tasks'],
  ['GET', 'http://upstream.example/tasks/x/y'],
])('%s %s is not a route: 404', async (method, target) => {
  const answer = await sendExactly(gateway.url, target, { method })
  expectProblem(answer, 404, 'not_found')
  expect(answer.text).not.toContain(target.slice(1) || 'nothing')
})

describe.each(URLS)('%s', (url) => {
  const taken = ROUTES.filter((route) => route.url === url).map(({ method }) => method)
  const wrong = METHODS.filter((method) => !taken.includes(method))

  test.each(wrong)('%s is 405 and names the methods of the route', async (method) => {
    // Without a token, because the routes are public: the description lists them.
    const answer = await sendExactly(gateway.url, toPath(url), { method, token: null })
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe([...taken].sort().join(', '))
    if (method !== 'HEAD') expectProblem(answer, 405, 'method_not_allowed')
  })
})

test('HEAD has the head of GET and no body', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('echo', { value: 1 }) })).json
  for (const path of ['/livez', '/readyz', '/openapi.json', '/tasks', '/queue', `/tasks/${taskID}`]) {
    const get = await send(gateway.url + path)
    const head = await send(gateway.url + path, { method: 'HEAD' })
    expect([path, head.status, head.text]).toEqual([path, get.status, ''])
    expect(head.headers['content-type']).toBe(get.headers['content-type'])
  }
})

test('HEAD of events ends and stops polling', async () => {
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  const head = await send(`${gateway.url}/tasks/${taskID}/events`, { method: 'HEAD' })
  expect([head.status, head.text]).toEqual([200, ''])
  const idle = () => Object.values(gateway.gateway.polling()).every((count) => count === 0)
  await until(idle, 'the events of a HEAD did not end')
})

test('every answer forbids sniffing and caching', async () => {
  for (const path of ['/livez', '/nowhere', '/tasks', '/tasks/x', '/%zz']) {
    const { headers } = await sendExactly(gateway.url, path)
    expect([path, headers['x-content-type-options'], headers['cache-control']]).toEqual([
      path,
      'nosniff',
      'no-store',
    ])
  }
})
