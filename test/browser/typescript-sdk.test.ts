import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { launchChromium, type PageServer, servePage } from './chromium.ts'

/*
 * What the TypeScript SDK does in a page: fetch with credentials included, presigned parts by XMLHttpRequest
 * (oomol-api.md).
 */

const TOKEN = 'test-token-of-the-web-page'
const PART_SIZE = 64 * 1024
const FILE_BYTES = 2 * PART_SIZE + 17

type Json = ReturnType<typeof JSON.parse>
/** The types of a page are not those of these tests. */
declare const XMLHttpRequest: new () => {
  status: number
  onload: () => void
  onerror: () => void
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  send(body: Blob): void
}

type SdkSettings = { baseUrl: string; apiKey: string | undefined }

/** The SDK of the page, where `callEverythingIn` puts it. */
declare const sdk: ReturnType<typeof createSdk>

/** Sent to the page as its own text, so it uses nothing of this file. */
function createSdk({ baseUrl, apiKey }: SdkSettings) {
  const api = async (method: string, path: string, body?: object | '') => {
    const answer = await fetch(`${baseUrl}${path}`, {
      method,
      credentials: 'include',
      headers: {
        ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const json = (await answer.json()) as Json
    if (!answer.ok) throw new Error(`${answer.status} ${json.message}`)
    return json
  }
  const putPart = (url: string, part: Blob) =>
    new Promise<number>((resolve, reject) => {
      const request = new XMLHttpRequest()
      request.open('PUT', url)
      request.setRequestHeader('Content-Type', 'application/octet-stream')
      request.onload = () => resolve(request.status)
      request.onerror = () => reject(new Error('the part was not sent'))
      request.send(part)
    })
  const awaitResult = async (taskID: string) => {
    for (;;) {
      const result = await api('GET', `/v3/users/me/tasks/${taskID}/result`)
      if (result.status === 'success' || result.status === 'failed') return result
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const upload = async (file: Blob) => {
    const files = '/api/tasks/files/remote-cache'
    const begin = { file_extension: '.bin', size: file.size, file_name: 'page' }
    const { data } = await api('POST', `${files}/init`, begin)
    const statuses: number[] = []
    for (const [part, url] of Object.entries<string>(data.presigned_urls)) {
      const at = (Number(part) - 1) * data.part_size
      statuses.push(await putPart(url, file.slice(at, at + data.part_size)))
    }
    return { statuses, url: (await api('GET', `${files}/${data.upload_id}/url`)).data.url as string }
  }

  return { api, awaitResult, upload }
}

/** Runs in a page that has the SDK: every call that the SDK makes, once. */
async function callEverything(fileBytes: number) {
  const { api, awaitResult, upload } = sdk
  const uploaded = await upload(new Blob([new Uint8Array(fileBytes).fill(7)]))
  const { taskID } = await api('POST', '/v3/users/me/tasks', {
    type: 'serverless',
    packageName: '@emulator/files',
    packageVersion: '1.0.0',
    blockName: 'inspect',
    inputValues: { file: uploaded.url },
  })
  const result = await awaitResult(taskID)
  const { tasks } = await api('GET', '/v3/users/me/tasks?size=10')
  return {
    taskID,
    uploaded,
    result,
    listed: tasks.map((task: { taskID: string }) => task.taskID),
    detail: await api('GET', `/v3/users/me/tasks/${taskID}`),
    latest: await api('GET', `/v3/users/me/tasks/latest?workloadIDs=${tasks[0].workloadID}`),
    paused: await api('POST', '/v3/user/pause', ''),
    dashboard: await api('GET', '/v3/users/me/dashboard'),
    resumed: await api('POST', '/v3/user/resume', ''),
    error: await api('GET', '/v3/users/me/tasks/no-such-task').catch((error: Error) => error.message),
  }
}

let browser: Browser
let allowed: PageServer
let gateway: TestGateway
let context: BrowserContext

beforeAll(async () => {
  browser = await launchChromium()
  allowed = await servePage()
  const file = `
callers:
  - id: web
    tokens: ["${TOKEN}"]
    scopes: [run, tasks:read, files:write, queue:read, queue:write]
    packages: ["*"]
    origins: ["${allowed.localhost}"]
`
  gateway = await startTestGateway({
    env: { GATEWAY_CONFIG: 'c', ALLOWED_ORIGINS: allowed.address, COOKIE_MODE: 'on' },
    files: { c: file },
    emulator: { partSize: PART_SIZE },
  })
})
afterAll(async () => {
  await browser?.close()
  await Promise.all([gateway?.close(), allowed?.close()])
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

async function callEverythingIn(page: Page, settings: SdkSettings) {
  await page.evaluate(`globalThis.sdk = (${createSdk})(${JSON.stringify(settings)})`)
  return page.evaluate(callEverything, FILE_BYTES)
}

function expectEverything(seen: Awaited<ReturnType<typeof callEverything>>): void {
  expect(seen.uploaded.statuses).toEqual([200, 200, 200])
  expect(seen.result).toMatchObject({ status: 'success', resultData: [{ size: FILE_BYTES }] })
  expect(seen.listed).toContain(seen.taskID)
  expect(seen.detail).toMatchObject({ taskID: seen.taskID, status: 'success' })
  expect(seen.latest).toHaveLength(1)
  expect(seen.paused).toEqual({ pauseType: 'user' })
  expect(seen.dashboard).toMatchObject({ pause: { paused: true } })
  expect(seen.resumed).toEqual({ pauseType: null })
  expect(seen.error).toMatch(/^404 ./)
}

describe('the calls of the TypeScript SDK in a page of an allowed origin', () => {
  test('with a gateway token as the key', async () => {
    const page = await openPage(allowed.localhost)
    const settings = { baseUrl: gateway.url, apiKey: TOKEN }
    expectEverything(await callEverythingIn(page, settings))
    expect(gateway.emulator.counts().part).toBe(3)
    expect(gateway.emulator.violations()).toEqual([])
  })

  test("with a user's own cookie", async () => {
    await context.addCookies([{ name: 'oomol-token', value: 'emulator-cookie', url: gateway.url }])
    const page = await openPage(allowed.address)
    const settings = { baseUrl: gateway.url, apiKey: undefined }
    expectEverything(await callEverythingIn(page, settings))
    const { headers } = gateway.emulator.requests('create').at(-1) ?? {}
    expect(headers).toMatchObject({ cookie: 'oomol-token=emulator-cookie' })
    expect(headers).not.toHaveProperty('authorization')
  })
})

test('the page of another origin gets nothing of it', async () => {
  const stranger = await servePage()
  const page = await openPage(stranger.localhost)
  const settings = { baseUrl: gateway.url, apiKey: TOKEN }
  await expect(callEverythingIn(page, settings)).rejects.toThrow(/Failed to fetch/)
  expect(gateway.emulator.counts()).toMatchObject({ create: 0, 'upload-init': 0, part: 0 })
  await stranger.close()
})
