import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { runOf } from '../support/http.ts'
import { launchChromium, type PageServer, servePage } from './chromium.ts'
import { fetchInPage, followInPage, type PageRequest } from './scripts.ts'

const WEB = 'test-token-of-the-web-page'
const TINY = 'test-token-of-the-tiny-one'

let browser: Browser
let allowed: PageServer
let foreign: PageServer
let gateway: TestGateway
let context: BrowserContext

beforeAll(async () => {
  browser = await launchChromium()
  allowed = await servePage()
  foreign = await servePage()
  const file = `
callers:
  - { id: web, tokens: ["${WEB}"], packages: ["*"], origins: ["${allowed.localhost}"] }
  - { id: tiny, tokens: ["${TINY}"], packages: ["*"], origins: ["${allowed.localhost}"], limits: { requestsPerMinute: 1 } }
`
  const env = { GATEWAY_CONFIG: 'c', ALLOWED_ORIGINS: allowed.address, COOKIE_MODE: 'on' }
  gateway = await startTestGateway({ env, files: { c: file } })
})
afterAll(async () => {
  await browser?.close()
  await Promise.all([gateway?.close(), allowed?.close(), foreign?.close()])
})
beforeEach(async () => {
  context = await browser.newContext()
  gateway.emulator.resetCounts()
})
afterEach(() => context.close())

async function openPage(origin: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/`)
  return page
}

const withToken = (path: string, init: Partial<PageRequest> = {}, token = WEB): PageRequest => ({
  url: gateway.url + path,
  ...init,
  headers: { authorization: `Bearer ${token}`, ...init.headers },
})

const runRequest = (blockName: string, inputs: object): Partial<PageRequest> => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', prefer: 'wait=10', 'idempotency-key': crypto.randomUUID() },
  body: JSON.stringify(runOf(blockName, inputs)),
})

describe('a page of an allowed origin, with a token', () => {
  test('runs a task and reads its answer and what is exposed of its head', async () => {
    const page = await openPage(allowed.localhost)
    const answer = await page.evaluate(fetchInPage, withToken('/run', runRequest('echo', { value: 'hé' })))
    expect(answer.status).toBe(200)
    const body = JSON.parse(answer.text ?? '')
    expect(body.resultData).toEqual([{ value: 'hé' }])
    expect(answer.headers).toMatchObject({
      'x-task-id': body.taskID,
      'preference-applied': 'wait=10',
      'x-request-id': expect.any(String),
    })
    expect(answer.headers).not.toHaveProperty('x-content-type-options')
  })

  test('follows the events of a run, and of a task that goes on', async () => {
    const page = await openPage(allowed.localhost)
    const accept = { accept: 'text/event-stream' }
    const init = runRequest('sleep', { seconds: 0.5, value: 7 })
    const events = await page.evaluate(
      followInPage,
      withToken('/run', { ...init, headers: { ...init.headers, ...accept } }),
    )
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['created', 'progress', 'success']),
    )
    expect(events.at(-1)?.event).toBe('success')
    expect(JSON.parse(events.at(-1)?.data ?? '').resultData).toEqual([{ slept: 0.5, value: 7 }])

    const created = await page.evaluate(
      fetchInPage,
      withToken('/tasks', runRequest('sleep', { seconds: 0.5 })),
    )
    expect(created.headers?.location).toMatch(/^\/tasks\//)
    const rest = await page.evaluate(followInPage, withToken(`${created.headers?.location}/events`))
    expect(rest.at(-1)?.event).toBe('success')
  })

  test('reads what went wrong', async () => {
    const page = await openPage(allowed.localhost)
    const read = async (request: PageRequest) => {
      const { status, text, headers } = await page.evaluate(fetchInPage, request)
      return { status, code: JSON.parse(text ?? '{}').code, retryAfter: headers?.['retry-after'], ...headers }
    }
    expect(await read(withToken('/run', runRequest('fail', { message: 'no' })))).toMatchObject({
      status: 422,
      code: 'task_failed',
    })
    expect(await read(withToken('/tasks', {}, 'not-a-token-of-anybody'))).toMatchObject({ status: 401 })
    expect(await read(withToken('/run', { method: 'POST', body: '{}' }))).toMatchObject({ status: 415 })
    expect(await read(withToken('/queue/pause', { method: 'POST' }))).toMatchObject({
      code: 'insufficient_scope',
    })
    expect(await read(withToken('/no/such/route'))).toMatchObject({ status: 404, code: 'not_found' })
    expect(await read(withToken('/run'))).toMatchObject({ status: 405, code: 'method_not_allowed' })
    await read(withToken('/tasks', {}, TINY))
    expect(await read(withToken('/tasks', {}, TINY))).toMatchObject({
      status: 429,
      code: 'rate_limited',
      retryAfter: expect.any(String),
      ratelimit: expect.stringContaining('r=0'),
      'ratelimit-policy': '"requests";q=1;w=60',
    })
  })
})

/** Origins that are not allowed: another port of the gateway's own host, and another host. */
const foreigners = (): [string, string][] => [
  ['same site', foreign.address],
  ['another site', foreign.localhost],
]

/** Everything a page can send without asking first. */
async function attack(page: Page, token: string | undefined): Promise<void> {
  const authorization: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` }
  const body = JSON.stringify(runOf('echo'))
  const url = `${gateway.url}/run`
  for (const credentials of ['include', 'omit'] as const) {
    const json = { 'content-type': 'application/json', ...authorization }
    const asked = await page.evaluate(fetchInPage, { url, method: 'POST', headers: json, body, credentials })
    expect(asked.error).toMatch(/Failed to fetch/)
    for (const path of ['/tasks', '/queue', '/functions', '/openapi.json', '/no/such/route']) {
      const read = await page.evaluate(fetchInPage, {
        url: gateway.url + path,
        headers: authorization,
        credentials,
      })
      expect([path, read.error]).toEqual([path, expect.stringMatching(/Failed to fetch/)])
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      const blind = { method: 'POST', mode: 'no-cors', body, credentials } as const
      const headers = { 'content-type': type, ...authorization }
      for (const path of ['/run', '/tasks', '/v3/users/me/tasks', '/queue/pause', '/v3/user/pause']) {
        const sent = await page.evaluate(fetchInPage, { url: gateway.url + path, headers, ...blind })
        // Whatever came of it, the page sees nothing of it.
        expect([sent.status ?? 0, sent.text ?? '', sent.headers ?? {}]).toEqual([0, '', {}])
      }
    }
  }
  // What uses the page's document is sent as text: this program's types know of no document.
  await page.evaluate(
    `navigator.sendBeacon(${JSON.stringify(url)}, new Blob(['{}'], { type: 'text/plain' }))`,
  )
}

const FORMS: [path: string, enctype: string][] = [
  ['/run', 'application/x-www-form-urlencoded'],
  ['/run', 'multipart/form-data'],
  ['/run', 'text/plain'],
  ['/tasks', 'multipart/form-data'],
  ['/v3/users/me/tasks', 'text/plain'],
  ['/files', 'multipart/form-data'],
  ['/queue/pause', 'text/plain'],
  ['/v3/user/pause', 'application/x-www-form-urlencoded'],
]

/** Sends each form as the page's user would, so that it takes the place of the page. */
async function attackWithForms(origin: string): Promise<void> {
  const page = await context.newPage()
  const fields = {
    packageName: '@emulator/basics',
    packageVersion: 'latest',
    blockName: 'echo',
    inputValues: '{}',
  }
  for (const [path, enctype] of FORMS) {
    await page.goto(`${origin}/`)
    const answered = page.waitForResponse((answer) => answer.url() === gateway.url + path)
    await page.evaluate(`{
      const form = document.createElement('form')
      Object.assign(form, ${JSON.stringify({ method: 'POST', action: gateway.url + path, enctype })})
      for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
        form.append(Object.assign(document.createElement('input'), { name, value }))
      }
      document.body.append(form)
      form.submit()
    }`)
    const status = (await answered).status()
    await page.waitForURL(gateway.url + path)
    expect([path, enctype, status]).toEqual([
      path,
      enctype,
      expect.toSatisfy((code) => [401, 403].includes(code)),
    ])
  }
}

function expectNothingDone(): void {
  const { create, pause, resume, 'upload-init': init } = gateway.emulator.counts()
  expect({ create, pause, resume, init }).toEqual({ create: 0, pause: 0, resume: 0, init: 0 })
}

describe('a page of another origin', () => {
  test('gets nothing with a token', async () => {
    for (const [, origin] of foreigners()) await attack(await openPage(origin), WEB)
    expectNothingDone()
  })

  test('gets nothing with a form', async () => {
    for (const [, origin] of foreigners()) await attackWithForms(origin)
    expectNothingDone()
  })

  test("gets nothing with a token when it is another caller's page", async () => {
    const page = await openPage(allowed.localhost)
    const answer = await page.evaluate(
      fetchInPage,
      withToken('/run', runRequest('echo', {}), 'test-token-aaaaaaaaaaaaaaaa'),
    )
    expect([answer.status, JSON.parse(answer.text ?? '').code]).toEqual([403, 'origin_denied'])
    expectNothingDone()
  })
})

describe('with the cookie of a user', () => {
  beforeEach(() => context.addCookies([{ name: 'oomol-token', value: 'emulator-cookie', url: gateway.url }]))

  /** How the gateway saw those who came with the cookie. */
  const usersSeen = () =>
    gateway.logs
      .filter(({ caller }) => String(caller).startsWith('user:'))
      .map(({ failure }) => failure ?? 'served')

  test('a page of an allowed origin runs a task as that user', async () => {
    const page = await openPage(allowed.address)
    const answer = await page.evaluate(fetchInPage, {
      url: `${gateway.url}/run`,
      credentials: 'include' as const,
      ...runRequest('echo', { value: 1 }),
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).toHaveProperty('x-task-id')
    expect(gateway.emulator.requests('create').map(({ headers }) => headers.cookie)).toEqual([
      'oomol-token=emulator-cookie',
    ])
    const events = await page.evaluate(followInPage, {
      url: `${gateway.url}/tasks/${answer.headers?.['x-task-id']}/events`,
      credentials: 'include' as const,
    })
    expect(events.at(-1)?.event).toBe('success')
  })

  test('a page of another origin gets nothing, though the browser sends the cookie', async () => {
    const seen = usersSeen().length
    for (const [, origin] of foreigners()) await attack(await openPage(origin), undefined)
    expectNothingDone()
    // Else this would have tested the browser's own SameSite rules alone.
    const met = usersSeen().slice(seen)
    expect(met.length).toBeGreaterThan(5)
    expect(new Set(met)).toEqual(new Set(['origin_denied']))
  })

  test('a form on another origin does nothing, though the browser sends the cookie', async () => {
    const seen = usersSeen().length
    for (const [, origin] of foreigners()) await attackWithForms(origin)
    expectNothingDone()
    const met = usersSeen().slice(seen)
    expect(met.length).toBeGreaterThanOrEqual(FORMS.length)
    expect(new Set(met)).toEqual(new Set(['origin_denied']))
  })

  test("a page of one app's origin reads nothing of the user", async () => {
    const page = await openPage(allowed.localhost)
    await context.addCookies([
      { name: 'oomol-token', value: 'emulator-cookie', url: gateway.url.replace('127.0.0.1', 'localhost') },
    ])
    const url = `${gateway.url.replace('127.0.0.1', 'localhost')}/tasks`
    const answer = await page.evaluate(fetchInPage, { url, credentials: 'include' as const })
    expect([answer.status, JSON.parse(answer.text ?? '').code]).toEqual([403, 'origin_denied'])
  })
})
