import { afterAll, beforeAll, expect, test } from 'vitest'
import { OTHER_TOKEN, startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    emulator: { partSize: 1000 },
    env: { MAX_UPLOAD_BYTES: '1MiB', COOKIE_MODE: 'on', ALLOWED_ORIGINS: 'https://app.example' },
  })
})
afterAll(() => gateway.close())

const base = () => `${gateway.url}/api/tasks/files/remote-cache`
const init = (body: object | string, options = {}) =>
  send(`${base()}/init`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...options,
  })

test('an official client uploads by itself, its bytes straight to the store', async () => {
  const body = '{ "size": 1500, "file_extension": ".pdf", "more": 1e400 }'
  const begun = await init(body)
  expect(begun.status).toBe(200)
  expect(gateway.emulator.requests('upload-init').at(-1)?.body.toString()).toBe(body)
  const { upload_id: uploadID, presigned_urls: urls } = begun.json.data
  expect(urls['1']).toContain(gateway.emulator.storeUrl)
  for (const [part, length] of [
    [1, 1000],
    [2, 500],
  ] as const) {
    const put = await send(urls[part], { method: 'PUT', token: null, body: Buffer.alloc(length) })
    expect(put.status).toBe(200)
  }
  const file = await send(`${base()}/${uploadID}/url`)
  expect(file.status).toBe(200)
  expect(file.json.data).toMatchObject({ file_size: 1500, mime_type: 'application/pdf' })
})

test('an upload is there for whoever began it, and for nobody else', async () => {
  const { json } = await init({ size: 1, file_extension: '.' })
  const url = `${base()}/${json.data.upload_id}/url`
  const other = await send(url, { token: OTHER_TOKEN })
  expect(other.status).toBe(404)
  const never = await send(`${base()}/${'0'.repeat(36)}/url`)
  expect({ ...other.json, requestId: 0 }).toEqual({ ...never.json, requestId: 0 })
  // Its own is upstream's to answer: a part is missing.
  expect((await send(url)).status).toBe(409)
})

test("a user's uploads are upstream's to judge", async () => {
  const headers = { cookie: 'oomol-token=emulator-cookie', origin: 'https://app.example' }
  const { status, json } = await init(
    { size: 1, file_extension: '.' },
    { token: null, headers: { ...headers, 'content-type': 'application/json' } },
  )
  expect(status).toBe(200)
  expect((await send(`${base()}/${json.data.upload_id}/url`, { token: null, headers })).status).toBe(409)
  expect((await send(`${base()}/${json.data.upload_id}/url`)).status).toBe(404)
})

test.each([
  ['too large', '{"size":1048577,"file_extension":"."}', 413],
  ['far too large', '{"size":1e300,"file_extension":"."}', 413],
  ['infinite', '{"size":1e400,"file_extension":"."}', 400],
  ['negative', '{"size":-1,"file_extension":"."}', 400],
  ['text', '{"size":"5","file_extension":"."}', 400],
  ['missing', '{"file_extension":"."}', 400],
  ['twice', '{"size":5,"size":99999999,"file_extension":"."}', 400],
])('the size of an init: %s', async (_what, body, status) => {
  const before = gateway.emulator.counts()['upload-init']
  expect((await init(body)).status).toBe(status)
  expect(gateway.emulator.counts()['upload-init']).toBe(before)
})

test.each(['..%2F..', 'a%2Fb', '.', '%00', 'x'.repeat(201)])('no upload id: %s', async (id) => {
  const before = gateway.emulator.counts()['upload-url']
  expect((await send(`${base()}/${id}/url`)).status).toBe(404)
  expect(gateway.emulator.counts()['upload-url']).toBe(before)
})
