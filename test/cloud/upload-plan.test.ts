import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toUploadPlan } from '../../src/domain/upload-plan.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { send } from '../support/http.ts'

const ALLOW = { allowInsecure: true }
const url = 'https://store.example/part?signature=1'
const data = (over: object = {}) => ({
  data: { upload_id: 'u-1', part_size: 5, total_parts: 2, presigned_urls: { 1: url, 2: url }, ...over },
})

test('a plan is read, its URLs by number', () => {
  const plan = toUploadPlan(data({ presigned_urls: { 2: `${url}b`, 1: `${url}a` } }), 10, ALLOW)
  expect(plan).toMatchObject({ uploadID: 'u-1', partSizeBytes: 5, totalParts: 2 })
  expect(plan?.partUrls.map(String)).toEqual([`${url}a`, `${url}b`])
})

test('whether a file of no bytes has a part is upstream’s to say', () => {
  expect(toUploadPlan(data({ total_parts: 1 }), 0, ALLOW)?.partUrls).toHaveLength(1)
  expect(toUploadPlan(data({ total_parts: 0 }), 0, ALLOW)?.partUrls).toHaveLength(0)
  expect(toUploadPlan(data({ total_parts: 2 }), 0, ALLOW)).toBeUndefined()
})

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a list', []],
  ['no data', {}],
  ['no id', data({ upload_id: undefined })],
  ['an id that is a path', data({ upload_id: '../x' })],
  ['no part size', data({ part_size: undefined })],
  ['a part size of 0', data({ part_size: 0 })],
  ['a negative part size', data({ part_size: -5 })],
  ['a part size in text', data({ part_size: '5' })],
  ['a part size with a fraction', data({ part_size: 5.5 })],
  ['a part size of 1e12', data({ part_size: 1e12, total_parts: 1 })],
  ['a part size that is not a number', data({ part_size: Number.NaN })],
  ['too few parts', data({ total_parts: 1 })],
  ['too many parts', data({ total_parts: 3 })],
  ['parts in text', data({ total_parts: '2' })],
  ['no URLs', data({ presigned_urls: undefined })],
  ['a URL too few', data({ presigned_urls: { 1: url } })],
  ['a URL that is none', data({ presigned_urls: { 1: url, 2: 'part' } })],
  ['a URL that is a number', data({ presigned_urls: { 1: url, 2: 2 } })],
  ['a credential in a URL', data({ presigned_urls: { 1: url, 2: 'https://u:p@store.example/' } })],
  ['another protocol', data({ presigned_urls: { 1: url, 2: 'file:///etc/passwd' } })],
])('a plan that can not be right: %s', (_what, answer) => {
  expect(toUploadPlan(answer, 10, ALLOW)).toBeUndefined()
})

test('ten million parts of a byte are refused before anything is made of them', () => {
  expect(toUploadPlan(data({ part_size: 1, total_parts: 1e7 }), 1e7, ALLOW)).toBeUndefined()
})

test('a part that would not fit into memory is refused', () => {
  const size = 65 * 2 ** 20
  expect(toUploadPlan(data({ part_size: size, total_parts: 1 }), size, ALLOW)).toBeUndefined()
  expect(toUploadPlan(data({ part_size: size, total_parts: 1 }), 10, ALLOW)).toBeDefined()
})

test('http is for tests only', () => {
  const answer = data({ presigned_urls: { 1: url, 2: 'http://store.example/' } })
  expect(toUploadPlan(answer, 10, ALLOW)).toBeDefined()
  expect(toUploadPlan(answer, 10, { allowInsecure: false })).toBeUndefined()
})

let upstream: Server
let gateway: TestGateway
let answer: object = {}
beforeAll(async () => {
  upstream = createServer((request, response) => {
    request.resume().once('end', () => response.end(JSON.stringify(answer)))
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const uploadUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/cache`
  gateway = await startTestGateway({ env: { OOMOL_UPLOAD_BASE_URL: uploadUrl } })
})
afterAll(async () => {
  await gateway.close()
  upstream.close()
  upstream.closeAllConnections()
})

test.each([
  ['an insane plan', data({ part_size: 1e12, total_parts: 1 })],
  ['no plan', { message: 'soon' }],
])('%s is 502, and says nothing of where', async (_what, given) => {
  answer = given
  const { status, json } = await send(`${gateway.url}/files/x`, {
    method: 'PUT',
    body: Buffer.from('0123456789'),
  })
  expect(status).toBe(502)
  expect(json.code).toBe('upstream_invalid_response')
  expect(gateway.gateway.uploads.heldBytes).toBe(0)
})

test.each<[string, object]>([
  ['another size', { url, file_size: 11 }],
  ['no URL', { file_size: 10 }],
])('a finished upload with %s is 502', async (_what, file) => {
  const { port } = upstream.address() as AddressInfo
  const part = `http://127.0.0.1:${port}/part`
  const { data: plan } = data({ presigned_urls: { 1: part, 2: part } })
  answer = { data: { ...plan, ...file } }
  const { status, json } = await send(`${gateway.url}/files/x`, {
    method: 'PUT',
    body: Buffer.from('0123456789'),
  })
  expect(status).toBe(502)
  expect(json.code).toBe('upstream_invalid_response')
})

test.each([
  'https://127.0.0.1:1/x',
  'https://[::1]:1/x',
  'https://169.254.169.254/x',
  'https://localhost:1/x',
])('a part is never sent to %s', async (part) => {
  const { createHttpClient } = await import('../../src/cloud/http-client.ts')
  const { createPartUploader } = await import('../../src/cloud/part-uploader.ts')
  const client = createHttpClient({ allowInsecure: false })
  const store = createPartUploader(client, { now: Date.now, deadlines: { partMs: 5_000 } })
  const chunk = Buffer.from('hi')
  const outcome = await store.put(
    { url: new URL(part), chunks: [chunk], bytes: 2 },
    new AbortController().signal,
  )
  expect(outcome).toMatchObject({
    kind: 'failed',
    mayRetry: false,
    failure: { code: 'upstream_invalid_response', detail: expect.stringContaining('not allowed') },
  })
  await client.close()
})
