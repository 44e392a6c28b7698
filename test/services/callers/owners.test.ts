import { afterAll, beforeAll, expect, test } from 'vitest'
import { OTHER_TOKEN, startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

let gateway: TestGateway
const TENANT_TOKEN = 'test-token-of-the-tenant'
const TENANT_KEY = 'key-of-the-tenant'
const FILE = `
callers:
  - { id: tenant, tokens: ["${TENANT_TOKEN}"], packages: ["*"], apiKey: "${TENANT_KEY}" }
  - { id: neighbour, tokens: ["test-token-of-the-neighbour"], packages: ["*"], apiKey: "\${NEIGHBOUR_KEY}" }
`
beforeAll(async () => {
  gateway = await startTestGateway({
    emulator: { keys: ['emulator-key', TENANT_KEY] },
    env: { GATEWAY_CONFIG: 'callers.yaml', NEIGHBOUR_KEY: TENANT_KEY },
    files: { 'callers.yaml': FILE },
  })
})
afterAll(() => gateway.close())

const TASK_ROUTES = [
  '/tasks/ID',
  '/tasks/ID/result',
  '/tasks/ID/result?wait=1',
  '/tasks/ID/events',
  '/tasks/ID/logs',
  '/v3/users/me/tasks/ID',
  '/v3/users/me/tasks/ID/result',
  '/v3/users/me/tasks/ID/logs',
]

const CREATE_ROUTES: [string, object][] = [
  ['/tasks', runOf('hold')],
  ['/v3/users/me/tasks', { type: 'serverless', ...runOf('hold') }],
]

test.each(CREATE_ROUTES)('a task of %s is visible to its creator on every route', async (path, body) => {
  const { taskID } = (await send(gateway.url + path, { body })).json
  for (const route of TASK_ROUTES) {
    const own = await send(gateway.url + route.replace('ID', taskID).replace('/events', '/events?wait=0'))
    expect([route, own.status]).toEqual([route, route.startsWith('/tasks/ID/result') ? 202 : 200])
  }
})

test.each(CREATE_ROUTES)(
  "another caller's task of %s looks as if it never existed, and upstream is not asked",
  async (path, body) => {
    const { taskID } = (await send(gateway.url + path, { body })).json
    const never = '00000000-0000-4000-8000-000000000000'
    gateway.emulator.resetCounts()
    const headers = { 'x-request-id': 'the-same' }
    for (const route of TASK_ROUTES) {
      const read = (id: string) =>
        send(gateway.url + route.replace('ID', id), { token: OTHER_TOKEN, headers })
      const [theirs, missing] = [await read(taskID), await read(never)]
      expect(theirs.status).toBe(404)
      expect(theirs.json).toMatchObject({ code: 'not_found', detail: 'There is no such task.' })
      expect(theirs.text.replaceAll(taskID, 'ID')).toBe(missing.text.replaceAll(never, 'ID'))
      const namesOf = (answer: typeof theirs) => Object.keys(answer.headers).sort()
      expect(namesOf(theirs)).toEqual(namesOf(missing))
    }
    expect(Object.values(gateway.emulator.counts()).filter((count) => count > 0)).toEqual([])
  },
)

test('a caller with its own key acts only with that key, and owns its tasks', async () => {
  gateway.emulator.resetCounts()
  const created = await send(`${gateway.url}/run`, { token: TENANT_TOKEN, body: runOf('echo', { value: 1 }) })
  expect(created.status).toBe(200)
  await send(`${gateway.url}/run`, { body: runOf('echo', { value: 2 }) })
  const sent = gateway.emulator.requests('create').map(({ headers }) => headers.authorization)
  expect(sent).toEqual([`Bearer ${TENANT_KEY}`, 'Bearer emulator-key'])
  expect(gateway.emulator.tasks(TENANT_KEY)).toHaveLength(1)
  // Another caller with the same upstream key does not own the task.
  const path = `${gateway.url}/tasks/${created.json.taskID}`
  expect((await send(path, { token: 'test-token-of-the-neighbour' })).status).toBe(404)
  expect((await send(path, { token: TENANT_TOKEN })).status).toBe(200)
})
