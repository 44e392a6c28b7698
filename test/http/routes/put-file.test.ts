import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256, someBytes } from '../../services/files/support/forms.ts'
import { startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'
import { send, sendRaw } from '../../support/http.ts'

const PART = 1024 * 1024
const NOTHING = Buffer.alloc(0)
let gateway: TestGateway
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oomol-test-'))
  gateway = await startTestGateway({ emulator: { partSize: PART }, spoolDirectory: folder })
})
afterAll(async () => {
  await gateway.close()
  expect(readdirSync(folder)).toEqual([])
  await rm(folder, { recursive: true })
})

const lastID = () => gateway.emulator.requests('part').at(-1)?.path.split('/')[2] ?? ''
/** The upload that the last part was sent for; only that one, because it is hashed when it is looked at. */
const lastUpload = () => gateway.emulator.file(lastID())!
const put = (name: string, body: Buffer, headers: Record<string, string> = {}) =>
  send(`${gateway.url}/files/${name}`, { method: 'PUT', body, headers })

/** Sends a body without saying how long it is. */
async function putChunked(name: string, chunks: readonly Buffer[], headers: Record<string, string> = {}) {
  const request = httpRequest(`${gateway.url}/files/${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${TOKEN}`, 'transfer-encoding': 'chunked', ...headers },
  })
  const answered = once(request, 'response')
  for (const chunk of chunks) if (!request.write(chunk)) await once(request, 'drain')
  request.end()
  const [response] = await answered
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode as number, json: JSON.parse(text) }
}

test('a file goes through part by part, and nothing of it is lost or added', async () => {
  const bytes = someBytes(5 * PART + 17)
  const partsBefore = gateway.emulator.counts().part
  const answer = await put('report.pdf', bytes)
  expect(answer.status).toBe(201)
  const upload = lastUpload()
  expect(answer.json).toEqual({
    name: 'report.pdf',
    url: expect.stringContaining(upload.uploadID),
    size: bytes.length,
    mimeType: 'application/pdf',
    expiresAt: expect.stringMatching(/^\d{4}-/),
  })
  expect(upload).toMatchObject({ finalised: true, sha256: sha256(bytes), parts: [1, 2, 3, 4, 5, 6] })
  expect(gateway.emulator.counts().part - partsBefore).toBe(6)
  expect(gateway.emulator.violations()).toEqual([])
  for (const part of gateway.emulator.requests('part').slice(partsBefore)) {
    expect(part.headers['transfer-encoding']).toBeUndefined()
    expect(Object.keys(part.headers).sort()).toEqual([
      'accept-encoding',
      'connection',
      'content-length',
      'content-type',
      'host',
    ])
  }
})

test.each([0, 1, PART - 1, PART, PART + 1, 4 * PART])('a file of %d bytes', async (length) => {
  const bytes = someBytes(length)
  const answer = await put('x.bin', bytes)
  expect(answer.status).toBe(201)
  expect(answer.json.size).toBe(length)
  expect(lastUpload()).toMatchObject({ finalised: true, sha256: sha256(bytes), size: length })
  expect(lastUpload().parts).toHaveLength(Math.max(1, Math.ceil(length / PART)))
})

test.each([
  ['报告 2026.pdf', '.pdf', '报告 2026'],
  ['noextension', '.', 'noextension'],
  ['.profile', '.', '.profile'],
  ['archive.tar.gz', '.gz', 'archive.tar'],
  ['odd.extension with space', '.', 'odd.extension with space'],
  ['long.abcdefghijk', '.', 'long.abcdefghijk'],
  ['dot.', '.', 'dot.'],
  ['🦜.PNG', '.PNG', '🦜'],
  ["a'b&c=d?#%.txt", '.txt', "a'b&c=d?#%"],
  [`${'名'.repeat(120)}.pdf`, '.pdf', '名'.repeat(120)],
])('the name %s', async (name, extension, baseName) => {
  const answer = await put(encodeURIComponent(name), Buffer.from('hello'))
  expect(answer.status).toBe(201)
  expect(answer.json.name).toBe(name)
  const init = JSON.parse(gateway.emulator.requests('upload-init').at(-1)!.body.toString())
  expect(init).toEqual({ file_extension: extension, size: 5, file_name: baseName })
})

test.each([
  'a%2Fb.pdf',
  '..%2F..%2Fetc%2Fpasswd',
  'a%5Cb',
  'a%00b',
  'a%0d%0ab',
  '%2e%2e',
  '%2e',
  'a%E2%80%A8b',
])('no name: %s', async (name) => {
  const before = gateway.emulator.counts()['upload-init']
  const head = `PUT /files/${name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n`
  const text = await sendRaw(gateway.url, `${head}content-length: 2\r\nconnection: close\r\n\r\nhi`)
  expect(text).toMatch(/^HTTP\/1\.1 400 /)
  expect(gateway.emulator.counts()['upload-init']).toBe(before)
})

test('a body of unknown length is seen to its end when it is short', async () => {
  const bytes = someBytes(3 * PART + 5)
  const answer = await putChunked('short.bin', [bytes])
  expect(answer).toMatchObject({ status: 201, json: { size: bytes.length } })
  expect(lastUpload().sha256).toBe(sha256(bytes))
  expect(readdirSync(folder)).toEqual([])
})

test('a long body of unknown length is spooled, and the spool is gone', async () => {
  const bytes = someBytes(11 * PART + 5)
  const answer = await putChunked('long.bin', [bytes.subarray(0, 9 * PART), bytes.subarray(9 * PART)])
  expect(answer).toMatchObject({ status: 201, json: { size: bytes.length } })
  expect(lastUpload().sha256).toBe(sha256(bytes))
  const [spool, ...others] = readdirSync(folder)
  expect(others).toEqual([])
  expect(readdirSync(join(folder, spool ?? ''))).toEqual([])
})

test('a declared size saves the spool', async () => {
  const bytes = someBytes(10 * PART)
  const answer = await putChunked('said.bin', [bytes], { 'x-file-size': String(bytes.length) })
  expect(answer.status).toBe(201)
  expect(lastUpload().sha256).toBe(sha256(bytes))
})

test.each([
  ['too few', 10 * PART + 1],
  ['too many', 10 * PART - 1],
  ['far too few', 11 * PART],
])('a wrong declaration is refused: %s', async (_what, declared) => {
  const answer = await putChunked('lie.bin', [someBytes(10 * PART)], { 'x-file-size': String(declared) })
  expect(answer).toMatchObject({ status: 400, json: { code: 'invalid_request' } })
  expect(lastUpload().finalised).toBe(false)
})

test.each(['-1', '1.5', 'many', '1e3', '9'.repeat(30), ''])(
  'a declaration that is no size: %s',
  async (size) => {
    expect((await put('x.bin', Buffer.from('hi'), { 'x-file-size': size })).status).toBe(400)
  },
)

test('a declaration that is not the length of the body is refused at once', async () => {
  const before = gateway.emulator.counts()['upload-init']
  expect((await put('x.bin', Buffer.from('hi'), { 'x-file-size': '3' })).status).toBe(400)
  expect(gateway.emulator.counts()['upload-init']).toBe(before)
})

test('a compressed body is refused: its bytes are not the file', async () => {
  expect((await put('x.bin', Buffer.from('hi'), { 'content-encoding': 'gzip' })).status).toBe(415)
})

test('curl uploads a file, announced and piped', async () => {
  const bytes = someBytes(2 * PART + 3)
  const path = join(folder, 'files-of-the-test')
  await mkdir(path)
  writeFileSync(join(path, 'curl.pdf'), bytes)
  const curl = async (input: Buffer, ...args: string[]) => {
    const options = ['-sS', '-H', `Authorization: Bearer ${TOKEN}`, ...args]
    const child = spawn('curl', options, { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end(input)
    let text = ''
    for await (const chunk of child.stdout) text += chunk
    return JSON.parse(text)
  }
  expect(await curl(NOTHING, '-T', join(path, 'curl.pdf'), `${gateway.url}/files/`)).toMatchObject({
    name: 'curl.pdf',
    size: bytes.length,
  })
  expect(lastUpload().sha256).toBe(sha256(bytes))
  expect(await curl(bytes, '-T', '-', `${gateway.url}/files/piped.pdf`)).toMatchObject({ name: 'piped.pdf' })
  expect(lastUpload().sha256).toBe(sha256(bytes))
  const form = await curl(
    bytes,
    '-F',
    `document=@${join(path, 'curl.pdf')}`,
    '-F',
    `copy=@-;filename="é \\" 文.txt"`,
    `${gateway.url}/files`,
  )
  expect(form.files).toMatchObject([
    { field: 'document', name: 'curl.pdf', size: bytes.length, mimeType: 'application/pdf' },
    { field: 'copy', size: bytes.length },
  ])
  expect(lastUpload().sha256).toBe(sha256(bytes))
  await rm(path, { recursive: true })
})

test('a file of 600 MB goes through within the memory of its parts', { timeout: 60_000 }, async () => {
  const large = await startTestGateway({
    emulator: { retainBytes: false },
    env: { MAX_UPLOAD_BYTES: '1GiB' },
  })
  const bytes = 600_000_000
  const hashes: string[] = []
  const hash = { part: createHash('sha256'), bytes: 0 }
  const block = someBytes(4 * PART)
  const request = httpRequest(`${large.url}/files/large.bin`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-length': bytes },
  })
  const answered = once(request, 'response')
  let mostHeld = 0
  for (let sent = 0; sent < bytes; sent += block.length) {
    const chunk = block.subarray(0, Math.min(block.length, bytes - sent))
    hash.part.update(chunk)
    hash.bytes += chunk.length
    if (hash.bytes === 8 * PART || sent + chunk.length === bytes) {
      hashes.push(hash.part.digest('hex'))
      Object.assign(hash, { part: createHash('sha256'), bytes: 0 })
    }
    if (!request.write(chunk)) await once(request, 'drain')
    mostHeld = Math.max(mostHeld, large.gateway.uploads.heldBytes)
  }
  request.end()
  const [response] = await answered
  response.resume()
  expect(response.statusCode).toBe(201)
  const upload = large.emulator.uploads().at(-1)!
  expect(upload).toMatchObject({ finalised: true, size: bytes })
  expect(Object.values(upload.partSha256)).toEqual(hashes)
  expect(mostHeld).toBeLessThanOrEqual(4 * 8 * PART)
  expect(large.gateway.uploads.heldBytes).toBe(0)
  await large.close()
})
