import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway, TOKEN } from '../support/gateway.ts'
import { runOf, send, sendRaw } from '../support/http.ts'
import { connectClient, said } from './client.ts'

const ORIGIN = 'https://app.example'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    env: { COOKIE_MODE: 'on', ALLOWED_ORIGINS: ORIGIN, MAX_BODY_BYTES: '64KiB', POLL_RATE: '5000' },
  })
})
afterAll(() => gateway.close())

const BOTH = 'application/json, text/event-stream'
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

function post(body: string | Buffer | object, headers: Record<string, string> = {}, token?: string | null) {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return send(`${gateway.url}/mcp`, {
    method: 'POST',
    body: bytes,
    headers: { 'content-type': 'application/json', accept: BOTH, ...headers },
    ...(token === undefined ? {} : { token }),
  })
}

/** The JSON-RPC messages of an answer, whichever form it has. */
function messages(text: string): { id?: unknown; result?: object; error?: { code: number } }[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: '))
  return lines.length > 0 ? lines.map((line) => JSON.parse(line.slice(6))) : [JSON.parse(text)].flat()
}

test('a bare message of the first versions is answered, with no version named', async () => {
  const answer = await post(LIST)
  expect(answer.status).toBe(200)
  expect(messages(answer.text)).toMatchObject([{ id: 1, result: { tools: expect.any(Array) } }])
})

test('a notification is taken with 202 and no body', async () => {
  const answer = await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  expect(answer.status).toBe(202)
  expect(answer.text).toBe('')
})

test('an unknown method is refused in the protocol', async () => {
  const answer = await post({ ...LIST, method: 'tools/paint' })
  expect(messages(answer.text)).toMatchObject([{ id: 1, error: { code: -32601 } }])
})

test('a version that nobody knows is refused', async () => {
  const answer = await post(LIST, { 'mcp-protocol-version': '1999-01-01' })
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number) } })
})

describe('what is no message', () => {
  test.each([
    ['nothing', '', -32700],
    ['broken JSON', '{"jsonrpc":"2.0",', -32700],
    ['a number', '1', -32600],
    ['an empty batch', '[]', -32600],
    ['a batch of numbers', '[1]', -32600],
    ['a batch of very many', `[${'1,'.repeat(20_000)}1]`, -32600],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), -32600],
    ['a name that stands twice', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600],
    [
      'too deep',
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'['.repeat(200)}${']'.repeat(200)}}`,
      -32600,
    ],
    [
      'arguments that name a member twice',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_task","arguments":{"taskID":"a","taskID":"b"}}}',
      -32600,
    ],
  ])('%s', async (_name, body, code) => {
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } })
  })
})

test('a batch is answered where the version has batches, each call with its own answer', async () => {
  const call = (id: number) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'execute_task', arguments: runOf('echo', { value: id }) },
  })
  const answer = await post([call(1), call(2), LIST_AGAIN], { 'mcp-protocol-version': '2025-03-26' })
  const byId = new Map(messages(answer.text).map((message) => [message.id, message]))
  for (const id of [1, 2]) {
    const result = byId.get(id)?.result as { structuredContent: object }
    expect(result.structuredContent).toMatchObject({ resultData: [{ value: id }] })
  }
  expect(byId.get(3)?.result).toHaveProperty('tools')
})
const LIST_AGAIN = { ...LIST, id: 3 }

test('a batch with one id for two calls is refused before anything runs', async () => {
  const before = gateway.emulator.counts().create
  const call = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'create_task', arguments: runOf('echo') },
  }
  expect((await post([call, call])).status).toBe(400)
  expect(gateway.emulator.counts().create).toBe(before)
})

test.each(['2025-06-18', '2025-11-25', '2026-07-28'])('a batch is refused in version %s', async (version) => {
  const answer = await post([LIST], { 'mcp-protocol-version': version })
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ error: { code: -32600 } })
})

test('an answer needs both types accepted', async () => {
  for (const accept of ['application/json', 'text/event-stream', '*/*']) {
    const answer = await post(LIST, { accept })
    expect(answer.status).toBe(406)
    expect(answer.json).toMatchObject({ jsonrpc: '2.0', error: { code: -32000 } })
  }
})

test('what is no JSON, compressed or too large is a problem before the protocol', async () => {
  expect((await post('x', { 'content-type': 'text/plain' })).json).toMatchObject({
    code: 'unsupported_media_type',
  })
  expect((await post('x', { 'content-encoding': 'gzip' })).json).toMatchObject({
    code: 'unsupported_media_type',
  })
  const large = await post({ ...LIST, params: { _meta: { filler: 'x'.repeat(70_000) } } })
  expect(large.status).toBe(413)
  expect(large.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(large.json).toMatchObject({ code: 'too_large' })
})

test.each(['GET', 'DELETE', 'PUT'] as const)('%s is 405 and says what is taken', async (method) => {
  const answer = await send(`${gateway.url}/mcp`, { method, headers: { accept: 'text/event-stream' } })
  expect(answer.status).toBe(405)
  expect(answer.headers.allow).toBe('POST')
})

test('only gateway tokens are taken: no OOMOL key, no cookie', async () => {
  expect((await post(LIST, {}, null)).status).toBe(401)
  expect((await post(LIST, {}, 'emulator-key')).status).toBe(401)
  const answer = await post(LIST, { cookie: 'oomol-token=emulator-cookie', origin: ORIGIN }, null)
  expect(answer.status).toBe(401)
  expect(answer.headers['www-authenticate']).toBe('Bearer')
  expect(answer.json).toMatchObject({ code: 'unauthenticated' })
})

test('a token in the bare form is taken', async () => {
  expect((await post(LIST, { authorization: TOKEN }, null)).status).toBe(200)
})

test('an Origin must be allowed, or be the own one', async () => {
  expect((await post(LIST, { origin: ORIGIN })).status).toBe(200)
  expect((await post(LIST, { origin: gateway.url })).status).toBe(200)
  for (const origin of ['https://evil.example', 'null', `${ORIGIN}.evil.example`, 'http://localhost:1']) {
    const answer = await post(LIST, { origin })
    expect(answer.status).toBe(403)
    expect(answer.json).toMatchObject({ code: 'origin_denied' })
  }
})

test('on a loopback address only local names are answered', async () => {
  const ask = (host: string) =>
    sendRaw(
      gateway.url,
      `POST /mcp HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${TOKEN}\r\naccept: ${BOTH}\r\nconnection: close\r\n` +
        `content-type: application/json\r\ncontent-length: ${JSON.stringify(LIST).length}\r\n\r\n${JSON.stringify(LIST)}`,
    )
  for (const host of ['localhost', 'localhost:3000', '127.0.0.1:80', '[::1]:3000']) {
    expect(await ask(host)).toMatch(/^HTTP\/1\.1 200 /)
  }
  for (const host of ['evil.example', 'evil.example:3000', '127.0.0.1.evil.example', 'localhost.evil']) {
    expect(await ask(host)).toMatch(/^HTTP\/1\.1 403 [\s\S]*origin_denied/)
  }
})

test('500 calls at once each get the answer that is theirs', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectClient(gateway)))
  const values = Array.from({ length: 500 }, (_, index) => `call-${index}`)
  const results = await Promise.all(
    values.map((value, index) =>
      clients[index % clients.length]!.callTool({
        name: 'execute_task',
        arguments: runOf('echo', { value }),
      }),
    ),
  )
  expect(results.map((result) => (said(result).resultData as [{ value: string }])[0].value)).toEqual(values)
  await Promise.all(clients.map((client) => client.close()))
}, 60_000)

test('a client that is gone is waited for no longer', async () => {
  const arrived = gateway.emulator.arrived('result')
  const controller = new AbortController()
  const body = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'execute_task', arguments: { ...runOf('hold'), waitSeconds: 60 } },
  }
  const left = send(`${gateway.url}/mcp`, {
    body,
    headers: { accept: BOTH },
    signal: controller.signal,
  }).catch(() => 'left')
  await arrived
  controller.abort()
  expect(await left).toBe('left')
  await expect
    .poll(() => gateway.gateway.polling(), { timeout: 8_000, message: 'the wait did not stop' })
    .toEqual({ tasks: 0, requests: 0 })
})

test('the end of the process ends a wait with the task and how to go on', async () => {
  const ending = await startTestGateway({ emulator: gateway.emulator })
  const client = await connectClient(ending)
  const arrived = gateway.emulator.arrived('result')
  const call = client.callTool({ name: 'execute_task', arguments: { ...runOf('hold'), waitSeconds: 60 } })
  await arrived
  const closed = ending.gateway.close()
  const result = await call
  expect(result.isError).toBeFalsy()
  expect(said(result).next).toContain('await_result')
  await closed
})

test.each(['2025-11-25', '2026-07-28'])(
  'a stream on which nothing happens is kept alive in %s',
  async (version) => {
    const patient = await startTestGateway({ emulator: gateway.emulator, deadlines: { keepAliveMs: 50 } })
    const modern = { 'io.modelcontextprotocol/protocolVersion': version, ...ENVELOPE }
    const params = {
      name: 'execute_task',
      arguments: { ...runOf('hold'), waitSeconds: 0.5 },
      ...(version === '2026-07-28' ? { _meta: modern } : {}),
    }
    const answer = await send(`${patient.url}/mcp`, {
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params },
      headers: {
        accept: BOTH,
        'mcp-protocol-version': version,
        'mcp-method': 'tools/call',
        'mcp-name': 'execute_task',
      },
    })
    expect(answer.text.match(/^: ?keep-?alive$/gm)?.length).toBeGreaterThan(2)
    expect(messages(answer.text)).toMatchObject([{ id: 1, result: { content: expect.any(Array) } }])
    await patient.close()
  },
)
const ENVELOPE = {
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

test('who needs no token is served, but not by a page whose name was made to point here', async () => {
  const open = await startTestGateway({
    emulator: gateway.emulator,
    env: { HOST: '0.0.0.0', GATEWAY_AUTH: 'none', GATEWAY_TOKENS: undefined, ALLOWED_ORIGINS: ORIGIN },
  })
  const body = JSON.stringify(LIST)
  const ask = (...headers: string[]) =>
    sendRaw(
      open.url,
      `POST /mcp HTTP/1.1\r\n${headers.join('\r\n')}\r\naccept: ${BOTH}\r\nconnection: close\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
  expect(await ask('host: gateway.example')).toMatch(/^HTTP\/1\.1 200 /)
  expect(await ask('host: gateway.example', `origin: ${ORIGIN}`)).toMatch(/^HTTP\/1\.1 200 /)
  const rebound = ['host: evil.example', 'origin: http://evil.example', 'sec-fetch-site: same-origin']
  expect(await ask(...rebound)).toMatch(/^HTTP\/1\.1 403 [\s\S]*origin_denied/)
  await open.close()
})

test('the description of the API knows the route', async () => {
  const { json } = await send(`${gateway.url}/openapi.json`)
  const { post: described } = json.paths['/mcp']
  expect(described.tags).toEqual(['mcp'])
  expect(Object.keys(described.responses)).toEqual(expect.arrayContaining(['200', '202', '413']))
  expect(described.responses[200].content).toHaveProperty(['text/event-stream'])
})
