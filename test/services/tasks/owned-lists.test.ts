import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ListOrder } from '../../../src/emulator/faults.ts'
import { KEY, OTHER_TOKEN, startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

const AUDITOR_TOKEN = 'test-token-cccccccccccccccc'
const AUDITOR = `
callers:
  - id: auditor
    tokens: ["${AUDITOR_TOKEN}"]
    scopes: [tasks:read, tasks:read:all]
`

let gateway: TestGateway
beforeEach(async () => {
  const env = { GATEWAY_CONFIG: 'callers.yaml', COOKIE_MODE: 'on' }
  // Tasks stay queued, so that two readings of a list are the same.
  const emulator = { phases: { queuedMs: 3_600_000 } }
  gateway = await startTestGateway({ env, emulator, files: { 'callers.yaml': AUDITOR } })
})
afterEach(() => gateway.close())

/** Creates tasks at upstream directly, as another program of the organisation would, and stores their owners. */
async function createTasks(owners: (string | undefined)[]): Promise<string[]> {
  const taskIDs: string[] = []
  for (const [at, owner] of owners.entries()) {
    const answer = await send(`${gateway.emulator.url}/v3/users/me/tasks`, {
      token: KEY,
      body: { type: 'serverless', ...runOf('hold', { value: `${owner} ]}", ${at}` }) },
    })
    taskIDs.push(answer.json.taskID)
    if (owner) await gateway.store.put('owners', answer.json.taskID, owner, 60_000)
  }
  return taskIDs
}

type Task = { taskID: string }

/** Every page of a list, from its beginning to its end. */
async function readPages(path: string, token: string, onPage: (at: number) => unknown = () => {}) {
  const pages: string[][] = []
  let nextToken: string | null = null
  do {
    const url: URL = new URL(path, gateway.url)
    if (nextToken !== null) url.searchParams.set('nextToken', nextToken)
    const answer = await send(url.href, { token })
    expect(answer.status, answer.text).toBe(200)
    pages.push(answer.json.tasks.map(({ taskID }: Task) => taskID))
    nextToken = answer.json.nextToken
    await onPage(pages.length)
  } while (nextToken !== null && pages.length < 100)
  return pages
}

/** `count` tasks of which every `step`th is the caller `app`'s. */
const sparse = (count: number, step: number) =>
  Array.from({ length: count }, (_, at) => (at % step === 0 ? 'app' : at % 3 === 0 ? 'other' : undefined))

test.each<[string, ListOrder, number]>([
  ['/tasks', 'newest-first', 7],
  ['/tasks', 'shuffled', 1],
  ['/v3/users/me/tasks', 'oldest-first', 30],
  ['/v3/users/me/tasks', 'shuffled', 100],
])('%s, %s, %i a page: own tasks only, each once, full pages', async (path, order, size) => {
  gateway.emulator.misbehave('list', { kind: 'order', order })
  const owners = sparse(250, 5)
  const taskIDs = await createTasks(owners)
  const own = taskIDs.filter((_, at) => owners[at] === 'app')
  const pages = await readPages(`${path}?size=${size}`, TOKEN)
  expect(pages.flat().toSorted()).toEqual(own.toSorted())
  for (const page of pages.slice(0, -1)) expect(page).toHaveLength(size)
})

test('items come in the very bytes upstream wrote', async () => {
  await createTasks(['app', undefined, 'app'])
  const upstream = await send(`${gateway.emulator.url}/v3/users/me/tasks`, { token: KEY })
  const answer = await send(`${gateway.url}/tasks`)
  const [first, , third] = upstream.json.tasks.map((task: unknown) => JSON.stringify(task))
  // The emulator writes its items as JSON.stringify does; that they are looked for in its text proves it.
  expect(upstream.text).toContain(first)
  expect(answer.text).toBe(`{"tasks":[${first},${third}],"nextToken":null}`)
})

test('numbers that parsing would change stay as they are', async () => {
  const [taskID] = await createTasks(['app'])
  const item = `{ "taskID":"${taskID}", "progress": 0.30000000000000004441, "big": 9007199254740993 }`
  const body = `{"tasks":[{"taskID":"x y"},null,${item} ,{"taskID":"${'z'.repeat(5000)}"}],"total":4,"nextToken":null}`
  gateway.emulator.misbehave('list', { kind: 'status', status: 200, body })
  expect((await send(`${gateway.url}/tasks`)).text).toBe(`{"tasks":[${item}],"nextToken":null}`)
})

test('a foreign task with a hostile payload does not break the list', async () => {
  const [taskID] = await createTasks(['app'])
  const odd = `{"taskID":"odd","schedulerPayload":{"__proto__":1,"deep":${'['.repeat(5000)}${']'.repeat(5000)}}}`
  const body = `{"tasks":[${odd},{"taskID":"${taskID}"}],"nextToken":null}`
  gateway.emulator.misbehave('list', { kind: 'status', status: 200, body })
  expect((await send(`${gateway.url}/tasks`)).text).toBe(
    `{"tasks":[{"taskID":"${taskID}"}],"nextToken":null}`,
  )
})

test('tasks that appear and end while a list is paged through are neither omitted nor repeated', async () => {
  gateway.emulator.misbehave('list', { kind: 'order', order: 'newest-first' })
  const before = await createTasks(Array.from({ length: 130 }, () => 'app'))
  const pages = await readPages('/tasks?size=4', TOKEN, async (at) => {
    if (at <= 5) await createTasks(['app', 'other', 'app'])
  })
  const given = pages.flat()
  expect(new Set(given).size).toBe(given.length)
  expect(before.filter((taskID) => !given.includes(taskID))).toEqual([])
})

test('a filtered list whose tasks leave it between two pages continues with the rest', async () => {
  const taskIDs = await createTasks(Array.from({ length: 12 }, () => 'app'))
  const pages = await readPages('/tasks?status=queued&size=5', TOKEN, (at) => {
    // The first page's tasks, its last among them, are gone from the list when the second is asked for.
    if (at === 1)
      for (const taskID of taskIDs.slice(0, 5))
        gateway.emulator.finish(taskID, { status: 'failed', error: 'x' })
  })
  const given = pages.flat()
  expect(new Set(given).size).toBe(given.length)
  expect(taskIDs.slice(5).filter((taskID) => !given.includes(taskID))).toEqual([])
})

test('one request reads at most ten pages, and its token continues from there', async () => {
  await createTasks(Array.from({ length: 1_150 }, (_, at) => (at === 0 || at === 1_149 ? 'app' : undefined)))
  gateway.emulator.resetCounts()
  const first = await send(`${gateway.url}/tasks?size=2`)
  expect(gateway.emulator.counts().list).toBe(10)
  expect(first.json.tasks).toHaveLength(1)
  const second = await send(
    `${gateway.url}/tasks?size=2&nextToken=${encodeURIComponent(first.json.nextToken)}`,
  )
  expect(second.json.tasks).toHaveLength(1)
  expect(second.json.nextToken).toBeNull()
  expect(gateway.emulator.counts().list).toBe(12)
})

test('filters go upstream unchanged', async () => {
  await createTasks(['app'])
  await send(
    `${gateway.url}/tasks?status=running&workload=serverless&taskType=user&packageID=p&workloadID=w&size=3`,
  )
  const { path } = gateway.emulator.requests('list').at(-1)!
  expect(Object.fromEntries(new URL(path, gateway.url).searchParams)).toEqual({
    status: 'running',
    workload: 'serverless',
    taskType: 'user',
    packageID: 'p',
    workloadID: 'w',
    size: '100',
  })
})

test("a caller that may see all gets upstream's bytes, page by page", async () => {
  await createTasks(sparse(8, 2))
  const upstream = await send(`${gateway.emulator.url}/v3/users/me/tasks?size=5`, { token: KEY })
  for (const path of ['/tasks', '/v3/users/me/tasks']) {
    const answer = await send(`${gateway.url}${path}?size=5`, { token: AUDITOR_TOKEN })
    expect(answer.text).toBe(upstream.text)
  }
  const cookie = { cookie: 'oomol-token=emulator-cookie' }
  const users = await send(`${gateway.url}/tasks`, { token: null, headers: cookie })
  expect(users.text).toBe('{"tasks":[],"nextToken":null}')
})

test('the latest task of each workload is cut in the same way', async () => {
  const [own] = await createTasks(['app'])
  const { workloadID } = (await send(`${gateway.url}/tasks`)).json.tasks[0]
  const query = `workloadIDs=${workloadID},none`
  for (const path of ['/tasks/latest', '/v3/users/me/tasks/latest']) {
    const answer = await send(`${gateway.url}${path}?${query}`)
    expect(answer.json.map(({ taskID }: Task) => taskID)).toEqual([own])
    expect((await send(`${gateway.url}${path}?${query}`, { token: OTHER_TOKEN })).text).toBe('[]')
    const all = await send(`${gateway.url}${path}?${query}`, { token: AUDITOR_TOKEN })
    expect(all.text).toBe(answer.text)
  }
})

test.each(['gw1.', 'gw1.AAAA.x', `gw1.${'A'.repeat(808)}.eA`])(
  'an invented token is 400: %s',
  async (nextToken) => {
    gateway.emulator.resetCounts()
    const answer = await send(`${gateway.url}/tasks?nextToken=${encodeURIComponent(nextToken)}`)
    expect(answer.status).toBe(400)
    expect(answer.json.errors).toEqual([{ path: 'nextToken', message: expect.any(String) }])
    expect(gateway.emulator.counts().list).toBe(0)
  },
)

test.each(['{"tasks":{}}', '[]', '{"nextToken":null}', 'null'])(
  'an answer that is not a list is 502: %s',
  async (body) => {
    gateway.emulator.misbehave('list', { kind: 'status', status: 200, body })
    const answer = await send(`${gateway.url}/tasks`)
    expect(answer.status).toBe(502)
    expect(answer.json.code).toBe('upstream_invalid_response')
  },
)

test('a page whose token leads to itself does not loop', async () => {
  const body = '{"tasks":[],"nextToken":"again"}'
  gateway.emulator.misbehave('list', { kind: 'status', status: 200, body }, 20)
  expect((await send(`${gateway.url}/tasks`)).status).toBe(502)
  expect(gateway.emulator.counts().list).toBe(2)
})
