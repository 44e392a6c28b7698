import { createHash } from 'node:crypto'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { launchChromium, type PageServer, servePage } from './chromium.ts'

const WEB = 'test-token-of-the-web-page'
const TEXT = 'three words — enough\n'.repeat(20_000)

/** What an app's own page looks like: a form, a run with its files and inputs, its progress, its result. */
const APP_PAGE = `<!doctype html>
<title>Inspect a file</title>
<form><input type="file" name="file"><button>Inspect</button></form>
<pre id="events"></pre><output></output>
<script type="module">
  const { gateway, token, credentials } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
  const show = document.querySelector('output')
  document.querySelector('form').onsubmit = async (submit) => {
    submit.preventDefault()
    try {
      const answer = await fetch(gateway + '/run/inspect', {
        method: 'POST',
        body: new FormData(submit.target),
        headers: { accept: 'text/event-stream', ...(token ? { authorization: 'Bearer ' + token } : {}) },
        credentials: credentials ?? 'omit',
      })
      if (!answer.ok) return (show.textContent = answer.status + ' ' + (await answer.json()).code)
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        text += chunk.value
        document.querySelector('#events').textContent = text
      }
      const last = text.trim().split('\\n\\n').at(-1).split('\\n')
      show.textContent = last[0] + ' ' + last[1].replace('data: ', '')
    } catch (error) {
      show.textContent = String(error)
    }
  }
</script>`

let browser: Browser
let allowed: PageServer
let foreign: PageServer
let gateway: TestGateway
let context: BrowserContext

beforeAll(async () => {
  browser = await launchChromium()
  allowed = await servePage(APP_PAGE)
  foreign = await servePage(APP_PAGE)
  const file = `
callers:
  - { id: web, tokens: ["${WEB}"], functions: [inspect], origins: ["${allowed.localhost}"] }
functions:
  - { name: inspect, package: "@emulator/files", version: latest, block: inspect }
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

/** Opens the app at an origin and sends it a file; gives the page once it shows how that ended. */
async function inspectFile(origin: string, settings: Record<string, string>): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/#${new URLSearchParams({ gateway: gateway.url, ...settings })}`)
  const buffer = Buffer.from(TEXT)
  await page.setInputFiles('input', { name: 'words.txt', mimeType: 'text/plain', buffer })
  await page.click('button')
  await page.waitForFunction("document.querySelector('output').textContent !== ''", undefined, {
    timeout: 20_000,
  })
  return page
}

const shown = (page: Page) => page.textContent('output')

async function expectInspected(page: Page): Promise<void> {
  const text = (await shown(page)) ?? ''
  expect(text).toMatch(/^event: success /)
  expect(JSON.parse(text.replace('event: success ', '')).resultData).toEqual([
    {
      size: Buffer.byteLength(TEXT),
      sha256: createHash('sha256').update(TEXT).digest('hex'),
      words: TEXT.trim().split(/\s+/).length,
    },
  ])
  const events = (await page.textContent('#events'))?.match(/^event: .*/gm)
  expect(events).toEqual(expect.arrayContaining(['event: upload', 'event: created', 'event: success']))
}

test('a page of an allowed origin uploads a file, runs a function with it, follows it and shows the result', async () => {
  await expectInspected(await inspectFile(allowed.localhost, { token: WEB }))
})

test('so it does with the cookie of its user', async () => {
  await context.addCookies([{ name: 'oomol-token', value: 'emulator-cookie', url: gateway.url }])
  await expectInspected(await inspectFile(allowed.address, { credentials: 'include' }))
  expect(gateway.emulator.requests('create').at(-1)?.headers.cookie).toBe('oomol-token=emulator-cookie')
})

test('the same page on another origin uploads nothing and runs nothing', async () => {
  await context.addCookies([{ name: 'oomol-token', value: 'emulator-cookie', url: gateway.url }])
  for (const origin of [foreign.address, foreign.localhost]) {
    const settings: Record<string, string>[] = [{ token: WEB }, { credentials: 'include' }]
    for (const one of settings) expect(await shown(await inspectFile(origin, one))).toMatch(/Failed to fetch/)
  }
  const { create, 'upload-init': init } = gateway.emulator.counts()
  expect([create, init]).toEqual([0, 0])
})
