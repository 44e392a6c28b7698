import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/emulator/emulator.ts'
import { createSeededRandom, randomBytesOf } from '../support/seeded-random.ts'
import { ask, call, create, createBody, ended, sendRaw, start } from './client.ts'

const MIB = 1024 * 1024
const DAY_MS = 24 * 60 * 60 * 1000

type Ticket = {
  upload_id: string
  part_size: number
  total_parts: number
  presigned_urls: Record<string, string>
}

async function init(emulator: Emulator, body: Record<string, unknown>): Promise<Ticket> {
  const { status, json } = await ask('POST', `${emulator.uploadUrl}/init`, { body: JSON.stringify(body) })
  if (status !== 200) throw new Error(`init was answered with ${status}: ${json.message}`)
  return json.data
}

function put(url: string | undefined, body: Buffer, headers: Record<string, string> = {}) {
  const type = { 'content-type': 'application/octet-stream' }
  return call('PUT', url ?? '', { body, authorization: null, headers: { ...type, ...headers } })
}

async function upload(emulator: Emulator, bytes: Buffer, file_extension = '.txt') {
  const ticket = await init(emulator, { file_extension, size: bytes.length })
  for (let part = 1; part <= ticket.total_parts; part++) {
    const at = (part - 1) * ticket.part_size
    expect((await put(ticket.presigned_urls[part], bytes.subarray(at, at + ticket.part_size))).status).toBe(
      200,
    )
  }
  const { json } = await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)
  return { ...json.data, uploadID: ticket.upload_id }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('uploading', () => {
  it('takes parts in any order, one of them twice, and gives the file back', async () => {
    const emulator = await start({ partSize: MIB })
    const bytes = randomBytesOf(createSeededRandom('bytes of a file'), 2.5 * MIB)
    const ticket = await init(emulator, { file_extension: '.pdf', size: bytes.length, file_name: 'report' })
    expect(ticket).toMatchObject({ part_size: MIB, total_parts: 3 })
    expect(Object.keys(ticket.presigned_urls)).toEqual(['1', '2', '3'])
    for (const part of [3, 1, 3, 2]) {
      const { status, headers } = await put(
        ticket.presigned_urls[part],
        bytes.subarray((part - 1) * MIB, part * MIB),
      )
      expect(status).toBe(200)
      expect(headers.etag).toMatch(/^"[0-9a-f]{32}"$/)
    }
    const { json } = await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)
    expect(json.data).toMatchObject({
      file_name: 'report.pdf',
      file_size: bytes.length,
      mime_type: 'application/pdf',
    })
    expect(new Date(json.data.expires_at).toISOString()).toBe(json.data.expires_at)
    expect(Date.parse(json.data.expires_at) - Date.now()).toBeGreaterThan(DAY_MS - 60_000)
    const file = await call('GET', json.data.url, { authorization: null })
    expect(file.status).toBe(200)
    expect(file.headers['content-type']).toBe('application/pdf')
    expect(file.bytes.equals(bytes)).toBe(true)
    expect(emulator.file(ticket.upload_id)?.bytes?.equals(bytes)).toBe(true)
    expect(emulator.file(ticket.upload_id)).toMatchObject({
      sha256: sha256(bytes),
      size: bytes.length,
      parts: [1, 2, 3],
      partSha256: { 1: sha256(bytes.subarray(0, MIB)) },
      finalised: true,
    })
    expect(emulator.counts()).toMatchObject({
      'upload-init': 1,
      part: 4,
      'upload-url': 1,
      file: 1,
      unknown: 0,
    })
  })

  it('takes a file of no bytes as one part', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 0 })
    expect(ticket.total_parts).toBe(1)
    expect((await put(ticket.presigned_urls[1], Buffer.alloc(0))).status).toBe(200)
    const { json } = await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)
    expect(json.data).toMatchObject({ file_size: 0, mime_type: 'application/octet-stream' })
    expect((await call('GET', json.data.url, { authorization: null })).bytes).toHaveLength(0)
  })

  it('needs no part behind one that is full', async () => {
    const emulator = await start({ partSize: 10 })
    expect(await init(emulator, { file_extension: '.', size: 20 })).toMatchObject({ total_parts: 2 })
    expect(await init(emulator, { file_extension: '.', size: 21 })).toMatchObject({ total_parts: 3 })
  })

  it.each([
    ['no object', '[]'],
    ['no size', '{"file_extension":".txt"}'],
    ['a negative size', '{"file_extension":".txt","size":-1}'],
    ['half a byte', '{"file_extension":".txt","size":1.5}'],
    ['a size in words', '{"file_extension":".txt","size":"1"}'],
    ['a size beyond all parts', '{"file_extension":".txt","size":9007199254740991}'],
    ['no extension', '{"size":1}'],
    ['an extension without a dot', '{"size":1,"file_extension":"txt"}'],
    ['a path as extension', '{"size":1,"file_extension":"./../x"}'],
    ['a path as name', '{"size":1,"file_extension":".txt","file_name":"../x"}'],
    ['a name that is not a string', '{"size":1,"file_extension":".txt","file_name":null}'],
  ])('refuses %s', async (_name, body) => {
    const emulator = await start()
    const { status, json } = await ask('POST', `${emulator.uploadUrl}/init`, { body })
    expect(status).toBe(400)
    expect(typeof json.message).toBe('string')
    expect(emulator.uploads()).toEqual([])
  })

  it('says which parts are missing', async () => {
    const emulator = await start({ partSize: 4 })
    const ticket = await init(emulator, { file_extension: '', size: 12 })
    await put(ticket.presigned_urls[1], Buffer.from('1234'))
    expect(await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)).toEqual({
      status: 409,
      json: { message: 'missing parts: 2, 3' },
    })
    expect(emulator.file(ticket.upload_id)).toMatchObject({ parts: [1], finalised: false, sha256: '' })
  })

  it('finds a wrong size when finalising, if parts are not checked', async () => {
    const emulator = await start({ checkPartSizes: false })
    const ticket = await init(emulator, { file_extension: '', size: 5 })
    expect((await put(ticket.presigned_urls[1], Buffer.from('1234'))).status).toBe(200)
    expect(await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)).toEqual({
      status: 400,
      json: { message: 'wrong size: 5 bytes announced, 4 received' },
    })
  })

  it('does not know the uploads of others, nor any for longer than a day', async () => {
    let time = Date.now()
    const emulator = await start({ keys: ['emulator-key', 'other'], now: () => time })
    const file = await upload(emulator, Buffer.from('hello'))
    const url = `${emulator.uploadUrl}/${file.uploadID}/url`
    expect((await ask('GET', url, { authorization: 'other' })).status).toBe(404)
    expect((await ask('GET', `${emulator.uploadUrl}/nobody/url`)).status).toBe(404)
    time += DAY_MS - 1
    expect((await ask('GET', url)).status).toBe(200)
    expect((await call('GET', file.url)).status).toBe(200)
    time += 1
    expect((await ask('GET', url)).status).toBe(404)
    expect((await call('GET', file.url)).status).toBe(404)
  })
})

describe('presigned parts', () => {
  it.each([
    ['authorization', { authorization: 'Bearer emulator-key' }],
    ['cookie', { cookie: 'oomol-token=emulator-cookie' }],
  ])('are refused with a header %s, and it is noted', async (header, headers) => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    expect((await put(ticket.presigned_urls[1], Buffer.from('1234'), headers)).status).toBe(403)
    expect(emulator.violations()).toMatchObject([{ header }])
    expect(emulator.file(ticket.upload_id)?.parts).toEqual([])
  })

  it('need their signature and exactly their size', async () => {
    const emulator = await start({ partSize: 4 })
    const ticket = await init(emulator, { file_extension: '', size: 6 })
    const [first = '', second = ''] = [ticket.presigned_urls[1], ticket.presigned_urls[2]]
    const [path, signature] = first.split('?')
    expect((await put(path, Buffer.from('1234'))).status).toBe(403)
    expect((await put(`${path}?signature=abc`, Buffer.from('1234'))).status).toBe(403)
    expect((await put(`${second.split('?')[0]}?${signature}`, Buffer.from('12'))).status).toBe(403)
    expect((await put(first, Buffer.from('123'))).status).toBe(400)
    expect((await put(first, Buffer.from('12345'))).status).toBe(400)
    expect((await put(second, Buffer.from('1234'))).status).toBe(400)
    expect((await put(second, Buffer.from('12'))).status).toBe(200)
    expect(emulator.file(ticket.upload_id)?.parts).toEqual([2])
  })

  it('need a Content-Length', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    const { pathname, search } = new URL(ticket.presigned_urls[1] ?? '')
    const head = `PUT ${pathname}${search} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n`
    const body = 'Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\n\r\n'
    const { received } = await sendRaw(emulator.storeUrl, head + body)
    expect(received).toMatch(/^HTTP\/1.1 411 /)
  })

  it('are not taken once the upload is finished', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    await put(ticket.presigned_urls[1], Buffer.from('1234'))
    await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)
    expect((await put(ticket.presigned_urls[1], Buffer.from('abcd'))).status).toBe(409)
    expect(emulator.file(ticket.upload_id)?.bytes?.toString()).toBe('1234')
  })

  it('are not taken when the client goes in the middle', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 1000 })
    const { pathname, search } = new URL(ticket.presigned_urls[1] ?? '')
    emulator.misbehave('part', { kind: 'reset', when: 'before-processing' })
    const head = `PUT ${pathname}${search} HTTP/1.1\r\nHost: e\r\nContent-Length: 1000\r\n\r\n12345`
    expect((await sendRaw(emulator.storeUrl, head)).end).toBe('ECONNRESET')
    expect(emulator.file(ticket.upload_id)?.parts).toEqual([])
  })

  it('may come from any page', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    const url = ticket.presigned_urls[1] ?? ''
    const preflight = await call('OPTIONS', url, {
      authorization: null,
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-origin']).toBe('*')
    expect(preflight.headers['access-control-allow-methods']).toContain('PUT')
    const answer = await put(url, Buffer.from('1234'), { origin: 'https://app.example' })
    expect(answer.headers['access-control-allow-origin']).toBe('*')
    expect(emulator.counts()).toMatchObject({ part: 1, unknown: 0 })
  })

  it('are recorded by size and hash, not by their bytes', async () => {
    const emulator = await start()
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    await put(ticket.presigned_urls[1], Buffer.from('1234'))
    const [record] = emulator.requests('part')
    expect(record).toMatchObject({ method: 'PUT', bytes: 4, sha256: sha256(Buffer.from('1234')) })
    expect(record?.body).toHaveLength(0)
    expect(record?.headers['content-type']).toBe('application/octet-stream')
  })

  it('take longer with a delay', async () => {
    const emulator = await start({ storeDelayMs: 120 })
    const ticket = await init(emulator, { file_extension: '', size: 4 })
    const before = performance.now()
    await put(ticket.presigned_urls[1], Buffer.from('1234'))
    expect(performance.now() - before).toBeGreaterThan(110)
  })
})

describe('keeping bytes', () => {
  it('can be switched off, and hashing too', async () => {
    const emulator = await start({ retainBytes: false, hashParts: false })
    const file = await upload(emulator, Buffer.from('hello'))
    expect(emulator.file(file.uploadID)).toMatchObject({
      bytes: undefined,
      sha256: '',
      size: 5,
      parts: [1],
      partSha256: {},
      finalised: true,
    })
    expect((await call('GET', file.url)).status).toBe(410)
  })

  it('drops the oldest beyond its limit', async () => {
    const emulator = await start({ maxStoredFileBytes: 25 })
    const files = []
    for (let at = 0; at < 4; at++) files.push(await upload(emulator, Buffer.alloc(10, String(at))))
    const kept = files.map(({ uploadID }) => emulator.file(uploadID)?.bytes?.toString()[0])
    expect(kept).toEqual([undefined, undefined, '2', '3'])
    expect(files.map(({ uploadID }) => emulator.file(uploadID)?.parts)).toEqual([[1], [1], [1], [1]])
    expect((await call('GET', files[0]?.url)).status).toBe(410)
  })
})

describe('reading files', () => {
  const FILES = { packageName: '@emulator/files' }

  it('gives size, hash and words of a text that spans parts', async () => {
    const emulator = await start({ partSize: 7 })
    const bytes = Buffer.from('Grüße  aus\nder\tWelt — zum Lesen')
    const file = await upload(emulator, bytes)
    const taskID = await create(emulator, createBody('inspect', { file: file.url }, FILES))
    const facts = { size: bytes.length, sha256: sha256(bytes), words: 7 }
    expect((await ended(emulator, taskID)).resultData).toEqual([facts])
    const many = await create(emulator, createBody('inspect-many', { files: [file.url, file.url] }, FILES))
    expect((await ended(emulator, many)).resultData).toEqual([{ files: [facts, facts] }])
  })

  it.each([
    ['no text', Buffer.from([0xff, 0x00, 0x20, 0xfe]), null],
    ['text with NUL', Buffer.from('a b\0c'), null],
    ['a character cut off', Buffer.from([0x61, 0x20, 0xc3]), null],
    ['nothing', Buffer.alloc(0), 0],
    ['one word over many reads', Buffer.alloc(300_000, 'a'), 1],
  ])('counts the words of %s', async (_name, bytes, words) => {
    const emulator = await start()
    const file = await upload(emulator, bytes, '.bin')
    const taskID = await create(emulator, createBody('inspect', { file: file.url }, FILES))
    expect((await ended(emulator, taskID)).resultData).toEqual([
      { size: bytes.length, sha256: sha256(bytes), words },
    ])
  })

  it('passes through the states before it ends', async () => {
    let time = Date.now()
    const emulator = await start({ now: () => time })
    const file = await upload(emulator, Buffer.from('hello'))
    const reads = emulator.arrived('file')
    const taskID = await create(emulator, createBody('inspect', { file: file.url }, FILES))
    await reads
    expect(emulator.tasks()[0]?.status).toBe('queued')
    time += 79
    expect(emulator.tasks()[0]).toMatchObject({ status: 'running' })
    time += 1
    expect((await ended(emulator, taskID)).status).toBe('success')
  })

  it.each([
    ['another host', 'http://127.0.0.1:1/files/x', 'the file is not in the store of this emulator'],
    ['a file of this machine', 'file:///etc/passwd', 'the file is not in the store of this emulator'],
    ['no URL', 7, 'input file must be a URL'],
  ])('fails with %s', async (_name, file, error) => {
    const emulator = await start()
    const taskID = await create(emulator, createBody('inspect', { file }, FILES))
    expect(await ended(emulator, taskID)).toEqual({ status: 'failed', error })
  })

  it('fails with URLs that only begin like its own', async () => {
    const emulator = await start()
    const urls = [`${emulator.storeUrl}.evil.example/files/x`, emulator.storeUrl.replace('//', '//user@')]
    for (const file of urls) {
      const taskID = await create(emulator, createBody('inspect', { file }, FILES))
      expect((await ended(emulator, taskID)).error).toBe('the file is not in the store of this emulator')
    }
  })

  it.each([
    ['with a wrong signature', (url: string) => url.replace(/=.{4}/, '=0000'), 'the store answered 403'],
    ['that are not there', (url: string) => url.replace('files/', 'files/x'), 'the store answered 404'],
    ['with line breaks', (url: string) => `${url}\r\nx: y`, 'the store answered 403'],
  ])('fails with files %s', async (_name, change, error) => {
    const emulator = await start()
    const file = await upload(emulator, Buffer.from('hello'))
    const taskID = await create(emulator, createBody('inspect', { file: change(file.url) }, FILES))
    expect((await ended(emulator, taskID)).error).toBe(`the file could not be read: ${error}`)
  })

  it('fails when the store breaks off', async () => {
    const emulator = await start()
    const file = await upload(emulator, Buffer.from('hello'))
    const faults = [
      ['mid-answer', 'the file could not be read: the store broke off'],
      ['before-answer', 'the file could not be read: the store is not reachable'],
    ] as const
    for (const [when, error] of faults) {
      emulator.misbehave('file', { kind: 'reset', when })
      const taskID = await create(emulator, createBody('inspect', { file: file.url }, FILES))
      expect(await ended(emulator, taskID)).toEqual({ status: 'failed', error })
    }
  })

  it('knows its store under the name that others use', async () => {
    const publicUrl = 'http://store.example:4001'
    const emulator = await start({ storeUrl: publicUrl })
    const ticket = await init(emulator, { file_extension: '.txt', size: 5 })
    const presigned = ticket.presigned_urls[1] ?? ''
    expect(presigned.startsWith(`${publicUrl}/parts/`)).toBe(true)
    await put(presigned.replace(publicUrl, emulator.storeUrl), Buffer.from('hello'))
    const { json } = await ask('GET', `${emulator.uploadUrl}/${ticket.upload_id}/url`)
    expect(json.data.url.startsWith(`${publicUrl}/files/`)).toBe(true)
    const taskID = await create(emulator, createBody('inspect', { file: json.data.url }, FILES))
    expect((await ended(emulator, taskID)).resultData).toMatchObject([{ size: 5, words: 1 }])
  })
})
