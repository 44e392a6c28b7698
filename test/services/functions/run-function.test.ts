import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load-config.ts'
import { environmentFor, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { LIMITED_TOKEN, lastCreate, READER_TOKEN, run, startWithFunctions } from './setup.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startWithFunctions()
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())

const creates = () => gateway.emulator.counts().create

test('defaults and fixed values are filled in, and the caller gets its result', async () => {
  const answer = await run(gateway, 'typed', { text: 'hello' })
  expect(answer.status).toBe(200)
  expect(answer.headers['x-package-version']).toBe('1.1.0')
  expect(answer.json.resultData).toEqual([
    { text: 'hello', format: 'webp', tags: ['a'], note: "it's fixed", ratio: 0.25 },
  ])
  expect(JSON.parse(lastCreate(gateway))).toMatchObject({
    type: 'serverless',
    packageName: '@emulator/basics',
    packageVersion: '1.1.0',
    blockName: 'typed',
  })
})

test('a default can be replaced', async () => {
  const answer = await run(gateway, 'typed', { text: 'hello', format: 'jpeg' })
  expect(answer.json.resultData[0].format).toBe('jpeg')
})

test("the caller's own bytes go upstream as they came", async () => {
  const inputs = '{ "anything" : {"n":9007199254740993, "e":1.50e+2 ,"s":"\\u00e9"},"text":"\\u0061b"}'
  const answer = await run(gateway, 'typed', inputs)
  expect(answer.status).toBe(200)
  expect(lastCreate(gateway)).toBe(
    '{"type":"serverless","packageName":"@emulator/basics","packageVersion":"1.1.0","blockName":"typed",' +
      '"inputValues":{"anything":{"n":9007199254740993, "e":1.50e+2 ,"s":"\\u00e9"},"text":"\\u0061b",' +
      '"format":"webp","tags":["a"],"note":"it\'s fixed","ratio":0.25}}',
  )
})

test.each([
  ['as it is', '{"text":"x","note":"mine"}'],
  ['in escapes', '{"text":"x","n\\u006fte":"mine"}'],
  ['as null, before what is known', '{"note":null,"text":"x"}'],
])('a fixed input can not be set: %s', async (_, inputs) => {
  const answer = await run(gateway, 'typed', inputs)
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({
    code: 'invalid_request',
    errors: [{ path: '/note', message: 'is not known' }],
  })
  expect(creates()).toBe(0)
})

test('each issue has its path, and nothing is created', async () => {
  const answer = await run(gateway, 'typed', {
    count: 1.5,
    format: 'gif',
    tags: ['a', 2],
    options: { level: 'high', 'a/b': 1 },
    secret: 'mine',
    target: '/etc/passwd',
    Note: 'x',
  })
  expect(answer.status).toBe(400)
  const errors = new Map(
    answer.json.errors.map(({ path, message }: Record<string, string>) => [path, message]),
  )
  expect(Object.fromEntries(errors)).toEqual({
    '/count': 'must be integer',
    '/format': 'must be one of "png", "jpeg", "webp"',
    '/tags/1': 'must be string',
    '/options/deep': 'is required',
    '/options/level': 'must be integer',
    '/options/a~1b': 'is not known',
    '/secret': "is a credential, which can't be set here",
    '/target': 'must begin with /oomol-driver/oomol-storage/ and stay inside it',
    '/Note': 'is not known',
    '/text': 'is required',
  })
  expect(creates()).toBe(0)
})

test('what is nullable may be null, and the storage may be written to', async () => {
  const inputs = { text: 'x', options: null, target: '/oomol-driver/oomol-storage/out/a.png' }
  expect((await run(gateway, 'typed', inputs)).status).toBe(200)
  const climbing = { text: 'x', target: '/oomol-driver/oomol-storage/../../etc' }
  expect((await run(gateway, 'typed', climbing)).json.errors[0].path).toBe('/target')
})

test('null is not a string, and a string is not a number', async () => {
  expect((await run(gateway, 'typed', { text: null })).json.errors).toEqual([
    { path: '/text', message: 'must be string' },
  ])
  expect((await run(gateway, 'typed', { text: 'x', count: '3' })).json.errors).toEqual([
    { path: '/count', message: 'must be integer' },
  ])
})

test('latest is sent as the version that it was validated against', async () => {
  const answer = await run(gateway, 'echo', { value: 1 })
  expect(answer.status).toBe(200)
  expect(answer.headers['x-package-version']).toBe('1.1.0')
  expect(JSON.parse(lastCreate(gateway)).packageVersion).toBe('1.1.0')
})

test('a function waits as configured, and a caller may ask for another wait', async () => {
  const answer = await run(gateway, 'hold')
  expect(answer.status).toBe(202)
  expect(answer.headers['x-package-version']).toBe('1.1.0')
  const asked = await send(`${gateway.url}/run/hold?wait=0`, { body: {} })
  expect(asked.headers['preference-applied']).toBe('wait=0')
})

test('a run can be answered at once or as events', async () => {
  const atOnce = await run(gateway, 'typed', { text: 'x' }, { headers: { prefer: 'respond-async' } })
  expect(atOnce.status).toBe(202)
  expect(atOnce.headers['x-package-version']).toBe('1.1.0')
  const followed = await run(gateway, 'typed', { text: 'x' }, { headers: { accept: 'text/event-stream' } })
  expect(followed.headers['x-package-version']).toBe('1.1.0')
  expect(followed.text).toMatch(/^event: created\n[\s\S]*event: success\n/)
})

test('a caller may run its functions whatever packages it may run, and nothing else', async () => {
  const token = LIMITED_TOKEN
  expect((await run(gateway, 'typed', { text: 'x' }, { token })).status).toBe(200)
  expect((await run(gateway, 'echo', {}, { token })).status).toBe(200)
  const denied = await run(gateway, 'hold', {}, { token })
  expect([denied.status, denied.json.code]).toEqual([403, 'function_denied'])
  const plain = await send(`${gateway.url}/run`, { token, body: runOf('echo') })
  expect([plain.status, plain.json.code]).toEqual([403, 'package_denied'])
  const reader = await run(gateway, 'typed', { text: 'x' }, { token: READER_TOKEN })
  expect([reader.status, reader.json.code]).toEqual([403, 'insufficient_scope'])
})

test.each(['nothing', 'Typed', 'a%2fb', 'x'.repeat(65), '..%2ftyped'])(
  '%s is not a function: 404',
  async (name) => {
    const answer = await run(gateway, name, {})
    expect(answer.status).toBe(404)
    expect(answer.json.code).toBe('not_found')
    expect(gateway.emulator.counts()).toMatchObject({ create: 0, 'package-info': 0 })
  },
)

test('a body that is not a JSON object is refused', async () => {
  expect((await run(gateway, 'echo', '[1]')).status).toBe(400)
  expect((await run(gateway, 'echo', '{"value":1,"value":2}')).status).toBe(400)
  expect((await run(gateway, 'echo', '{"__proto__":{"value":2}}')).status).toBe(400)
  const form = await run(gateway, 'echo', 'value=1', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  expect(form.status).toBe(415)
  expect(creates()).toBe(0)
})

test('a method that the route does not have is 405', async () => {
  const answer = await send(`${gateway.url}/run/typed`)
  expect([answer.status, answer.headers.allow]).toEqual([405, 'POST'])
})

test('a reloaded configuration applies from the next request on', async () => {
  const own = await startWithFunctions()
  try {
    expect((await run(own, 'added', {})).status).toBe(404)
    const settings = { ...environmentFor(own.emulator), GATEWAY_CONFIG: 'gateway.yaml' }
    const added = 'functions: [{name: added, package: "@emulator/basics", version: "1.1.0", block: echo}]'
    own.gateway.reload(loadConfig(settings, () => added))
    expect((await run(own, 'added', {})).status).toBe(200)
    expect((await run(own, 'typed', { text: 'x' })).status).toBe(404)
  } finally {
    await own.close()
  }
})

test('with a key a function runs once, and invalid inputs do not use up the key', async () => {
  const headers = { 'idempotency-key': 'key-of-a-function' }
  const refused = await run(gateway, 'typed', { text: 1 }, { headers })
  expect(refused.status).toBe(400)
  const first = await run(gateway, 'typed', { text: 'x' }, { headers })
  const again = await run(gateway, 'typed', { text: 'x' }, { headers })
  expect([first.status, again.status]).toEqual([200, 200])
  expect(again.headers['idempotency-replayed']).toBe('true')
  expect(again.json).toEqual(first.json)
  const other = await run(gateway, 'typed', { text: 'y' }, { headers })
  expect([other.status, other.json.code]).toEqual([422, 'idempotency_key_reused'])
  expect(creates()).toBe(1)
})
