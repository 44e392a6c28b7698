import { request as httpRequest } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { KEY, startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send } from '../support/http.ts'

const DEADLINE_MS = 5_000

const open: TestGateway[] = []
afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close()
})

/** A gateway whose metrics listen too, and the address of these. */
async function startMeasured(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { METRICS_PORT: '0', ...env } })
  open.push(gateway)
  const port = await gateway.gateway.metricsServer?.listen({ host: '127.0.0.1', port: 0 })
  const metricsUrl = `http://127.0.0.1:${port}`
  const scrape = async () => (await send(`${metricsUrl}/metrics`, { token: null })).text
  return { ...gateway, metricsUrl, scrape }
}

/** Scrapes until a line is there: a request is counted when its connection is done with it, a moment after the answer. */
async function scrapeUntil(scrape: () => Promise<string>, line: string): Promise<string> {
  const end = Date.now() + DEADLINE_MS
  let text = ''
  while (Date.now() < end) {
    text = await scrape()
    if (text.includes(line)) return text
  }
  throw new Error(`${line} did not come; there was\n${text}`)
}

test('requests are counted by method, route pattern, status and caller', async () => {
  const { url, scrape } = await startMeasured()
  const run = await send(`${url}/run`, { body: runOf('echo', { value: 1 }) })
  await send(`${url}/tasks/${run.json.taskID}`)
  await send(`${url}/tasks/${run.json.taskID}`)
  await send(`${url}/queue`, { token: 'wrong-token-cccccccccccccccc' })
  await send(`${url}/nowhere/secret-path?and=query`)
  await scrapeUntil(scrape, 'http_requests_total{method="POST",route="/run",status="200",caller="app"} 1')
  await scrapeUntil(
    scrape,
    'http_requests_total{method="GET",route="/tasks/:taskID",status="200",caller="app"} 2',
  )
  await scrapeUntil(scrape, 'http_requests_total{method="GET",route="/queue",status="401",caller=":none"} 1')
  await scrapeUntil(scrape, 'http_requests_total{method="GET",route="none",status="404",caller=":none"} 1')
  await scrapeUntil(scrape, 'http_request_duration_seconds_count{method="POST",route="/run"} 1')
})

test('how full the store is', async () => {
  const { url, scrape, store } = await startMeasured()
  await send(`${url}/tasks`, { body: runOf('hold') })
  await send(`${url}/tasks`, { body: runOf('hold'), headers: { 'idempotency-key': 'k' } })
  const text = await scrape()
  expect(text).toContain('store_entries{space="owners"} 2')
  // The record of the key, and the claim of its task.
  expect(text).toContain('store_entries{space="idempotency"} 2')
  expect(text).toContain('store_entries{space="leases"} 1')
  expect(Number(/^store_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(500)
  await store.close()
  const away = await scrape()
  expect(away).toContain('store_bytes Nan')
  expect(away).not.toContain('store_entries{')
  expect(away).toContain('http_requests_total')
})

test('no id, path, query, token or key is in them', async () => {
  const { url, scrape } = await startMeasured()
  const run = await send(`${url}/run`, { body: runOf('echo', { value: 'inner-value' }) })
  await send(`${url}/tasks/${run.json.taskID}/logs?page=77`)
  await send(`${url}/nowhere/secret-path?and=query`)
  const text = await scrapeUntil(scrape, 'route="none",status="404"')
  // The values may be any digits; what a caller sent could only be in a label.
  const labels = text.match(/^(http|upstream)_\w+\{.*\}/gm)?.join('\n') ?? ''
  expect(labels).toContain('route="/tasks/:taskID/logs"')
  for (const secret of [TOKEN, KEY, run.json.taskID, 'inner-value', 'secret-path', 'query"', '77']) {
    expect(labels).not.toContain(secret)
  }
})

test('users are one caller, however many there are', async () => {
  const { url, scrape } = await startMeasured({ COOKIE_MODE: 'on' })
  for (const cookie of ['emulator-cookie', 'another-cookie']) {
    await send(`${url}/queue`, { token: null, headers: { cookie: `oomol-token=${cookie}` } })
  }
  const line = (status: number) =>
    `http_requests_total{method="GET",route="/queue",status="${status}",caller=":user"} 1`
  await scrapeUntil(scrape, line(200))
  await scrapeUntil(scrape, line(401))
})

test('a caller that left is 499', async () => {
  const { url, emulator, scrape } = await startMeasured()
  const body = JSON.stringify(runOf('hold'))
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const leaving = httpRequest(`${url}/run`, { method: 'POST', headers })
  leaving.on('error', () => {})
  leaving.end(body)
  await scrapeUntil(scrape, 'watched_tasks 1')
  expect(await scrape()).toContain('waiting_requests 1')
  expect(emulator.counts().create).toBe(1)
  leaving.destroy()
  await scrapeUntil(scrape, 'http_requests_total{method="POST",route="/run",status="499",caller="app"} 1')
  await scrapeUntil(scrape, 'waiting_requests 0')
  await scrapeUntil(scrape, 'watched_tasks 0')
})

test('calls upstream are counted by operation and what became of them', async () => {
  const { url, emulator, scrape } = await startMeasured()
  emulator.misbehave('dashboard', { kind: 'status', status: 500 })
  await send(`${url}/queue`)
  await send(`${url}/queue`)
  const text = await scrapeUntil(scrape, 'upstream_requests_total{operation="dashboard",outcome="success"} 1')
  expect(text).toContain('upstream_requests_total{operation="dashboard",outcome="upstream_error"} 1')
  expect(text).toContain('upstream_request_duration_seconds_count{operation="dashboard"} 2')
})

test('the process and its version have metrics', async () => {
  const { scrape } = await startMeasured()
  const text = await scrape()
  expect(text).toContain('oomol_gateway_info{version="0.0.0"} 1')
  expect(text).toMatch(/^process_resident_memory_bytes [0-9]/m)
})

test('the port has GET /metrics and nothing else, and needs no token', async () => {
  const { metricsUrl, url } = await startMeasured()
  const answer = await send(`${metricsUrl}/metrics`, { token: null })
  expect(answer.status).toBe(200)
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  expect((await send(`${metricsUrl}/`, { token: null })).status).toBe(404)
  expect((await send(`${metricsUrl}/metrics/x`, { token: null })).status).toBe(404)
  const wrong = await send(`${metricsUrl}/metrics`, { token: null, body: 'x'.repeat(100_000) })
  expect([wrong.status, wrong.headers.allow]).toEqual([405, 'GET, HEAD'])
  expect((await send(`${url}/metrics`)).status).toBe(404)
})

test('without METRICS_PORT there is none', async () => {
  const gateway = await startTestGateway()
  open.push(gateway)
  expect(gateway.gateway.metricsServer).toBeUndefined()
})

test('it closes with the app, with its connections', async () => {
  const { gateway, metricsUrl } = await startMeasured()
  const idle = httpRequest(`${metricsUrl}/metrics`, { method: 'POST' })
  const broken = new Promise((resolve) => idle.once('error', resolve).once('close', resolve))
  idle.flushHeaders()
  await gateway.app.close()
  await broken
  await expect(send(`${metricsUrl}/metrics`, { token: null })).rejects.toThrow('ECONNREFUSED')
})
