import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  FORM_TYPE,
  field,
  file,
  formOf,
  postForm,
  sha256,
  someBytes,
} from '../../services/files/support/forms.ts'
import { startTestGateway, type TestGateway, TOKEN } from '../../support/gateway.ts'
import { sendRaw } from '../../support/http.ts'

const MIB = 1024 * 1024
let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ emulator: { partSize: MIB }, env: { MAX_UPLOAD_BYTES: '16MiB' } })
})
afterAll(() => gateway.close())

const post = (body: Buffer, headers: Record<string, string> = {}) =>
  postForm(`${gateway.url}/files`, body, headers)
/** The last uploads, oldest first; asked for one by one, because each is hashed when it is looked at. */
const lastUploads = (count: number) =>
  gateway.emulator
    .requests('upload-url')
    .slice(-count)
    .map(({ path }) => gateway.emulator.file(path.split('/').at(-2) ?? ''))
const initsSince = (before: number) => gateway.emulator.counts()['upload-init'] - before

/** Nothing of what was sent is there for anyone, and nothing is held. */
async function refused(status: number, body: Buffer, headers: Record<string, string> = {}) {
  const before = gateway.emulator.counts()['upload-url']
  const answer = await post(body, headers)
  expect(answer.status, answer.text).toBe(status)
  expect(gateway.emulator.counts()['upload-url']).toBe(before)
  expect(gateway.gateway.uploads.heldBytes).toBe(0)
  return answer
}

test('several files, small and large, come through in their order', async () => {
  const small = someBytes(70_000)
  const large = someBytes(12 * MIB + 1)
  const answer = await post(
    formOf([file('a', 'ä.txt', small), file('a', 'b.bin', ''), file('c', '文件.pdf', large)]),
  )
  expect(answer.status).toBe(201)
  expect(answer.json.files).toMatchObject([
    { field: 'a', name: 'ä.txt', size: small.length, mimeType: 'text/plain' },
    { field: 'a', name: 'b.bin', size: 0 },
    { field: 'c', name: '文件.pdf', size: large.length, mimeType: 'application/pdf' },
  ])
  const uploads = lastUploads(3)
  expect(uploads.map((upload) => upload?.sha256)).toEqual([small, Buffer.alloc(0), large].map(sha256))
  expect(uploads.every((upload) => upload?.finalised)).toBe(true)
})

test("a browser's FormData", async () => {
  const bytes = someBytes(9 * MIB)
  const form = new FormData()
  form.append('document', new Blob([bytes]), 'Entwurf "1".pdf')
  const response = await fetch(`${gateway.url}/files`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  expect(response.status).toBe(201)
  expect(lastUploads(1)[0]).toMatchObject({ sha256: sha256(bytes), finalised: true })
})

test('the declared size lets a large file stand before another', async () => {
  const [first, second] = [someBytes(10 * MIB), someBytes(9 * MIB)]
  const parts = [field('size', String(first.length)), file('a', 'a', first), file('b', 'b', second)]
  expect((await post(formOf(parts))).status).toBe(201)
  const uploads = lastUploads(2)
  expect(uploads.map((upload) => upload?.sha256)).toEqual([first, second].map(sha256))
})

test('a large file before another without its size is told how to come', async () => {
  const answer = await refused(400, formOf([file('a', 'a', someBytes(9 * MIB)), file('b', 'b', 'hi')]))
  expect(answer.json.detail).toContain('last')
})

test.each([
  ['no line end after the closing boundary', '--test-boundary--'],
  ['an epilogue', '--test-boundary--\r\nthat is all'],
])('a large file whose size was guessed wrong: %s', async (_what, end) => {
  const answer = await refused(400, formOf([file('a', 'a', someBytes(9 * MIB))], { end }))
  expect(answer.json.detail).toContain('size')
  // The same with its size, and small, where nothing has to be guessed.
  const bytes = someBytes(9 * MIB)
  const declared = formOf([field('size', String(bytes.length)), file('a', 'a', bytes)], { end })
  expect((await post(declared)).status).toBe(201)
  expect((await post(formOf([file('a', 'a', 'hi')], { end }))).status).toBe(201)
})

test('a preamble does not count for the file', async () => {
  const bytes = someBytes(9 * MIB)
  const body = Buffer.concat([Buffer.from('look here:\r\n'), formOf([file('a', 'a', bytes)])])
  expect((await post(body)).status).toBe(201)
  expect(lastUploads(1)[0]?.sha256).toBe(sha256(bytes))
})

test.each([
  ['declared too small', 99_999],
  ['declared too large', 100_001],
])('a size %s', async (_what, size) => {
  await refused(400, formOf([field('size', String(size)), file('a', 'a', someBytes(100_000))]))
  await refused(400, formOf([file('a', 'a', someBytes(100_000))]), { 'x-file-size': String(size) })
})

test('a size is one', async () => {
  await refused(400, formOf([field('size', '12 bytes'), file('a', 'a', 'hi')]))
  await refused(400, formOf([file('a', 'a', 'hi'), field('size', '2')]))
})

test('a file over the limit is 413 with the limit, and nothing is finalised', async () => {
  const answer = await refused(
    413,
    formOf([file('a', 'small', 'hi'), file('b', 'b', someBytes(16 * MIB + 1))]),
  )
  expect(answer.json).toMatchObject({ code: 'too_large', detail: expect.stringContaining(String(16 * MIB)) })
  await refused(413, formOf([field('size', String(16 * MIB + 1)), file('a', 'a', 'hi')]))
  expect((await post(formOf([file('a', 'a', someBytes(16 * MIB))]))).status).toBe(201)
})

test("the caller's own limit counts when it is smaller", async () => {
  const limited = await startTestGateway({
    emulator: gateway.emulator,
    env: { GATEWAY_CONFIG: '/callers.yaml' },
    files: {
      '/callers.yaml': `callers: [{ id: small, tokens: [small-token-aaaaaaaaaaaaaa], limits: { uploadBytes: 1KiB } }]`,
    },
  })
  const token = 'small-token-aaaaaaaaaaaaaa'
  const at = async (size: number) => {
    const body = formOf([file('a', 'a', someBytes(size))])
    return (await postForm(`${limited.url}/files`, body, {}, token)).status
  }
  expect(await at(1024)).toBe(201)
  expect(await at(1025)).toBe(413)
  await limited.close()
})

test.each([
  ['an RFC 5987 name alone', 'form-data; name="a"; filename*=UTF-8\'\'%E6%96%87%20%C3%BC.txt', '文 ü.txt'],
  [
    'it goes before the plain one',
    'form-data; name=a; filename="x.txt"; filename*=utf-8\'en\'y.txt',
    'y.txt',
  ],
  ['a path of Windows', 'form-data; name="a"; filename="C:\\\\temp\\\\x.txt"', 'x.txt'],
  ['an old path of Windows', 'form-data; name="a"; filename="C:\\temp\\x.txt"', 'x.txt'],
  ['a path that climbs', 'form-data; name="a"; filename="../../etc/passwd"', 'passwd'],
  ['a token', 'form-data; name=a; filename=x.txt', 'x.txt'],
  ['escaped quotes', 'form-data; name="a"; filename="say \\"hi\\".txt"', 'say "hi".txt'],
  ['other case and order', 'Form-Data; FILENAME="x.txt"; Name="a"', 'x.txt'],
  ['no name but bytes', 'form-data; name="a"; filename=""', 'file'],
])('a file name: %s', async (_what, disposition, name) => {
  const answer = await post(formOf([{ head: `Content-Disposition: ${disposition}`, body: 'hi' }]))
  expect(answer.status, answer.text).toBe(201)
  expect(answer.json.files[0]).toMatchObject({ field: 'a', name })
})

test('an input where no file was chosen is no file', async () => {
  const answer = await post(formOf([file('a', '', ''), file('b', 'b.txt', 'hi')]))
  expect(answer.json.files).toMatchObject([{ field: 'b' }])
  await refused(400, formOf([file('a', '', '')]))
})

const ATTACHMENT = { head: 'Content-Disposition: attachment; name="a"; filename="a"', body: 'hi' }
const TEXT = 'Content-Disposition: form-data; name="a"'
test.each<[string, Buffer, Record<string, string>]>([
  ['no boundary', formOf([file('a', 'a', 'hi')]), { 'content-type': 'multipart/form-data' }],
  ['an empty boundary', formOf([file('a', 'a', 'hi')]), { 'content-type': 'multipart/form-data; boundary=' }],
  [
    'another boundary',
    formOf([file('a', 'a', 'hi')]),
    { 'content-type': 'multipart/form-data; boundary=other' },
  ],
  ['two boundaries', formOf([]), { 'content-type': 'multipart/form-data; boundary=a; boundary=b' }],
  [
    'a boundary of 71',
    formOf([], { boundary: 'b'.repeat(71) }),
    { 'content-type': `multipart/form-data; boundary=${'b'.repeat(71)}` },
  ],
  [
    'a boundary of 300',
    formOf([], { boundary: 'b'.repeat(300) }),
    { 'content-type': `multipart/form-data; boundary=${'b'.repeat(300)}` },
  ],
  ['no terminator', formOf([file('a', 'a', 'hi')], { end: '' }), {}],
  ['half a terminator', formOf([file('a', 'a', 'hi')], { end: '--test-boundary-' }), {}],
  [
    'line feeds alone',
    Buffer.from(
      formOf([file('a', 'a', 'hi')])
        .toString()
        .replaceAll('\r\n', '\n'),
    ),
    {},
  ],
  ['nothing', Buffer.alloc(0), {}],
  ['no part', Buffer.from('--test-boundary--\r\n'), {}],
  ['no form', Buffer.from('{"a":1}'), {}],
  ['a long preamble', Buffer.concat([Buffer.alloc(9000, 'x'), formOf([file('a', 'a', 'hi')])]), {}],
  [
    'a long epilogue',
    formOf([file('a', 'a', 'hi')], { end: `--test-boundary--\r\n${'x'.repeat(9000)}` }),
    {},
  ],
  [
    'a boundary with white space after it',
    Buffer.from(
      formOf([file('a', 'a', 'hi')])
        .toString()
        .replace('y\r\n', 'y \t\r\n'),
    ),
    {},
  ],
  ['a boundary that goes on', formOf([file('a', 'a', 'x\r\n--test-boundaryX\r\ny')]), {}],
  ['no head', formOf([{ head: '', body: 'hi' }]), {}],
  ['no Content-Disposition', formOf([{ head: 'Content-Type: text/plain', body: 'hi' }]), {}],
  [
    'an attachment',
    formOf([{ head: 'Content-Disposition: attachment; name="a"; filename="a"', body: 'hi' }]),
    {},
  ],
  ['an attachment among files', formOf([file('a', 'a', 'hi'), ATTACHMENT, file('b', 'b', 'hi')]), {}],
  ['a large attachment', formOf([file('a', 'a', 'hi'), { ...ATTACHMENT, body: 'x'.repeat(200_000) }]), {}],
  [
    'a delimiter in a head',
    Buffer.concat([Buffer.from('--test-boundary\r\nX: y\r\n'), formOf([file('a', 'a', 'hi')])]),
    {},
  ],
  [
    'a delimiter at the end of a head',
    Buffer.concat([Buffer.from(`--test-boundary\r\n${TEXT}\r\n\r\n`), formOf([file('a', 'a', 'hi')])]),
    {},
  ],
  ['a line break in filename*', formOf([{ head: `${TEXT}; filename*=UTF-8''a%0Ab`, body: 'hi' }]), {}],
  ['a name of objects', formOf([file('a', 'a', 'hi'), file('__proto__', 'b', 'hi')]), {}],
  ['no name', formOf([{ head: 'Content-Disposition: form-data; filename="a"', body: 'hi' }]), {}],
  [
    'an empty name',
    formOf([{ head: 'Content-Disposition: form-data; name=""; filename="a"', body: 'hi' }]),
    {},
  ],
  ['a disposition twice', formOf([{ head: `${TEXT}\r\n${TEXT}`, body: 'hi' }]), {}],
  [
    'an open quote',
    formOf([{ head: 'Content-Disposition: form-data; name="a; filename="b"', body: 'hi' }]),
    {},
  ],
  ['a line without colon', formOf([{ head: `${TEXT}; filename="a"\r\nnonsense`, body: 'hi' }]), {}],
  ['a folded line', formOf([{ head: `${TEXT};\r\n filename="a"`, body: 'hi' }]), {}],
  ['a lone line feed', formOf([{ head: `${TEXT}; filename="a"\nX: y`, body: 'hi' }]), {}],
  ['a NUL', formOf([{ head: `${TEXT}; filename="a\0b"`, body: 'hi' }]), {}],
  [
    'base64',
    formOf([{ head: `${TEXT}; filename="a"\r\nContent-Transfer-Encoding: base64`, body: 'aGk=' }]),
    {},
  ],
  ['filename* of another charset', formOf([{ head: `${TEXT}; filename*=latin1''%e4`, body: 'hi' }]), {}],
  ['filename* that is no UTF-8', formOf([{ head: `${TEXT}; filename*=UTF-8''%e4`, body: 'hi' }]), {}],
  ['a name that is no path', formOf([file('a', '..', 'hi')]), {}],
  ['a name of 256', formOf([file('a', 'n'.repeat(256), 'hi')]), {}],
  ['a text field', formOf([field('note', 'hi'), file('a', 'a', 'hi')]), {}],
  ['text that is no UTF-8', formOf([{ head: TEXT, body: Buffer.from([0xff]) }]), {}],
])('malformed is 400: %s', async (_what, body, headers) => {
  const answer = await refused(400, body, headers)
  expect(answer.json.code).toBe('invalid_request')
})

test('a head that is no UTF-8', async () => {
  const body = formOf([file('a', 'NAME', 'hi')])
  body.set([0xff, 0xfe], body.indexOf('NAME'))
  await refused(400, body)
})

test.each([
  ['application/json', 415],
  ['multipart/mixed; boundary=test-boundary', 415],
  ['', 415],
])('the content type %j', async (type, status) => {
  await refused(status, formOf([file('a', 'a', 'hi')]), { 'content-type': type })
})

const many = (count: number, make: (index: number) => ReturnType<typeof field>) =>
  Array.from({ length: count }, (_, index) => make(index))

test('64 files are taken, 65 are not', async () => {
  const answer = await post(formOf(many(64, (index) => file('f', `${index}.txt`, String(index)))))
  expect(answer.status).toBe(201)
  expect(answer.json.files.map(({ name }: { name: string }) => name)).toEqual(
    many(64, (index) => field(`${index}.txt`, '')).map(({ head }) => /"(.*)"/.exec(head)?.[1]),
  )
  await refused(413, formOf(many(65, (index) => file('f', `${index}.txt`, 'x'))))
})

test('more parts than can be files and fields are refused, whatever they are', async () => {
  await refused(413, formOf(many(257, (index) => file(`f${index}`, '', ''))))
})

test('100 fields are read, 101 are not', async () => {
  await refused(400, formOf([...many(100, (index) => field(`f${index}`, 'x')), file('a', 'a', 'hi')]))
  await refused(413, formOf(many(101, (index) => field(`f${index}`, 'x'))))
})

test('a name of 100 bytes is taken, of 101 not', async () => {
  expect((await post(formOf([file('é'.repeat(50), 'a', 'hi')]))).status).toBe(201)
  await refused(413, formOf([file(`${'é'.repeat(50)}x`, 'a', 'hi')]))
})

test('a value of 64 KiB is read, one byte more is not', async () => {
  await refused(400, formOf([field('note', 'x'.repeat(65_536))]))
  await refused(413, formOf([field('note', 'x'.repeat(65_537))]))
})

test('a head of 8 KiB is taken, one byte more is not', async () => {
  const head = (length: number) => {
    const line = `${TEXT}; filename="a"\r\nX-Padding: `
    return line + 'x'.repeat(length - line.length)
  }
  expect((await post(formOf([{ head: head(8190), body: 'hi' }]))).status).toBe(201)
  await refused(413, formOf([{ head: head(8191), body: 'hi' }]))
  await refused(413, formOf([{ head: head(100_000), body: 'hi' }]))
})

test('boundaries of 1 and of 70 characters, quoted', async () => {
  for (const boundary of ['x', 'b'.repeat(70), "a'()+_,-./:=? b"]) {
    const headers = { 'content-type': `multipart/form-data; charset=utf-8; boundary="${boundary}"` }
    expect((await post(formOf([file('a', 'a', 'hi')], { boundary }), headers)).status).toBe(201)
  }
})

test('a form that comes byte by byte is the same form', async () => {
  const body = formOf([
    file('a', 'a.txt', '\r\n--test-boundar\r\r\n--test-boundary'.slice(0, -1)),
    file('b', 'b', '\r'),
  ])
  const { port } = new URL(gateway.url)
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(
    `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\nconnection: close\r\n` +
      `content-type: multipart/form-data; boundary=test-boundary\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  for (const byte of body) {
    socket.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await once(socket, 'close')
  expect(text).toMatch(/^HTTP\/1\.1 201 /)
  expect(lastUploads(2).map((upload) => upload?.bytes?.toString())).toEqual([
    '\r\n--test-boundar\r\r\n--test-boundar',
    '\r',
  ])
})

test('the log keeps no credential of a form, however much it says', async () => {
  const talkative = await startTestGateway({ emulator: gateway.emulator, env: { LOG_LEVEL: 'trace' } })
  expect((await postForm(`${talkative.url}/files`, formOf([file('a', 'a', 'hi')]))).status).toBe(201)
  const text = JSON.stringify(talkative.logs)
  await talkative.close()
  expect(text).toContain('starting multipart parsing')
  expect(text).not.toContain(TOKEN)
})

test('a connection goes on after a form', async () => {
  const form = formOf([file('a', 'a', 'hi')])
  const head = `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: ${FORM_TYPE}\r\n`
  const whole = Buffer.concat([Buffer.from(`${head}content-length: ${form.length}\r\n\r\n`), form])
  const last = `GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
  const text = await sendRaw(gateway.url, Buffer.concat([whole, whole, Buffer.from(last)]))
  expect(text.match(/HTTP\/1\.1 201 /g)).toHaveLength(2)
  expect(text).toMatch(/HTTP\/1\.1 200 /)
})

test('a refusal is told before the body, and the body is not read', async () => {
  const before = gateway.emulator.counts()['upload-init']
  const head = 'POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong-token-aaaaaaaaaaaaaaaa\r\n'
  const type = 'content-type: multipart/form-data; boundary=test-boundary\r\n'
  const text = await sendRaw(
    gateway.url,
    `${head}${type}expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n`,
  )
  expect(text).toMatch(/^HTTP\/1\.1 401 /)
  expect(initsSince(before)).toBe(0)
})

test('a caller that asks whether it may send is told to go on', async () => {
  const body = formOf([file('a', 'a', 'hi')])
  const head = `POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\nconnection: close\r\n`
  const type = 'content-type: multipart/form-data; boundary=test-boundary\r\nexpect: 100-continue\r\n'
  const text = await sendRaw(
    gateway.url,
    Buffer.concat([Buffer.from(`${head}${type}content-length: ${body.length}\r\n\r\n`), body]),
  )
  expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
})
