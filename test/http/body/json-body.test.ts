import { gzipSync } from 'node:zlib'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, TOKEN } from '../../support/gateway.ts'
import { runOf, send, sendExactly } from '../../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../../support/problem.ts'

const LIMIT = 64 * 1024
const gateway = await startTestGateway({ env: { MAX_BODY_BYTES: String(LIMIT), COOKIE_MODE: 'on' } })
beforeEach(() => gateway.emulator.resetCounts())
afterAll(() => gateway.close())

const JSON_TYPE = { 'content-type': 'application/json' }
const CREATE_ROUTES = ['/run', '/tasks', '/v3/users/me/tasks']
const NAMES = '"packageName":"@emulator/basics","packageVersion":"latest","blockName":"echo"'
/** A create that all routes accept: the native one needs the type, the simplified ones allow it. */
const withMembers = (members: string) => `{"type":"serverless",${NAMES}${members}}`
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

async function refused(path: string, body: string | Buffer, status: number, code: string) {
  const answer = await send(gateway.url + path, { body, headers: JSON_TYPE })
  const problem = expectProblem(answer, status, code)
  expectNothingUpstream(gateway.emulator.counts())
  return problem
}

describe.each(CREATE_ROUTES)('POST %s', (path) => {
  test.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['truncated', withMembers('').slice(0, -1)],
    ['two texts', `${withMembers('')}{}`],
    ['a trailing comma', withMembers(',')],
    ['single quotes', "{'a':1}"],
    ['NaN', withMembers(',"inputValues":{"value":NaN}')],
    ['an array', '[]'],
    ['a string', '"run"'],
    ['null', 'null'],
    ['a number', '1'],
    ['a byte order mark', `\ufeff${withMembers('')}`],
    ['nested 10,000 deep', withMembers(`,"inputValues":{"value":${deep(10_000)}}`)],
    ['opened 10,000 times and never closed', '['.repeat(10_000)],
    ['closed more than opened', `${withMembers('')}${']'.repeat(10)}`],
    ['with __proto__', withMembers(',"__proto__":{"a":1}')],
    ['with __proto__ deep inside', withMembers(',"inputValues":{"value":[{"__proto__":{}}]}')],
    ['with __proto__ escaped', withMembers(',"inputValues":{"\\u005f_pr\\u006Fto__" : {}}')],
    ['a name twice', withMembers(',"blockName":"fail"')],
    ['a name twice, once escaped', withMembers(',"block\\u004eame":"fail"')],
    ['inputValues twice', withMembers(',"inputValues":{},"inputValues":{}')],
  ])('%s is 400', (_what, body) => refused(path, body, 400, 'invalid_request').then(() => {}))

  test.each([
    ['a lone continuation byte', Buffer.from([0x80])],
    ['an overlong slash', Buffer.from([0xc0, 0xaf])],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['UTF-16', Buffer.from('é', 'utf16le')],
  ])('invalid UTF-8, %s, is 400', (_what, bytes) => {
    const [head = '', tail = ''] = withMembers(',"inputValues":{"value":"|"}').split('|')
    const body = Buffer.concat([Buffer.from(head), bytes, Buffer.from(tail)])
    return refused(path, body, 400, 'invalid_request').then(() => {})
  })

  test.each([
    ['packageName', '1'],
    ['packageName', 'null'],
    ['packageName', '["@emulator/basics"]'],
    ['packageName', '"@emulator/../basics"'],
    ['packageName', '""'],
    ['packageVersion', '1'],
    ['packageVersion', '1.0'],
    ['packageVersion', 'true'],
    ['packageVersion', '"^1.0.0"'],
    ['blockName', '{}'],
    ['blockName', '7'],
    ['blockName', '"a/b"'],
    ['type', '"applet"'],
    ['type', '["serverless"]'],
    ['inputValues', '[]'],
    ['inputValues', '"{}"'],
    ['inputValues', 'null'],
    ['inputValues', '0'],
  ])('%s of %s is 400 and says where', async (name, value) => {
    const members = new Map([
      ['type', '"serverless"'],
      ['packageName', '"@emulator/basics"'],
      ['packageVersion', '"latest"'],
      ['blockName', '"echo"'],
    ])
    members.set(name, value)
    const body = `{${[...members].map(([key, json]) => `"${key}":${json}`).join()}}`
    const { errors } = await refused(path, body, 400, 'invalid_request')
    expect(errors).toContainEqual({ path: `/${name}`, message: expect.any(String) })
  })

  test.each(['packageName', 'packageVersion', 'blockName'])('without %s it is 400', async (name) => {
    const body = { type: 'serverless', ...runOf('echo') }
    delete (body as Record<string, unknown>)[name]
    await refused(path, JSON.stringify(body), 400, 'invalid_request')
  })

  test.each([
    ['none', undefined],
    ['text/plain', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['something like JSON', 'application/jsonp'],
    ['nonsense', 'nonsense'],
  ])('a content type of %s is 415', async (_what, type) => {
    const headers = type === undefined ? [] : [`content-type: ${type}`]
    const answer = await sendExactly(gateway.url, path, { method: 'POST', headers, body: withMembers('') })
    expectProblem(answer, 415, 'unsupported_media_type')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test.each(['application/json', 'Application/JSON ; charset=utf-8', 'application/json;charset="UTF-8"'])(
    'a content type of %s is accepted',
    async (type) => {
      const answer = await send(gateway.url + path, {
        body: withMembers(''),
        headers: { 'content-type': type },
      })
      expect(answer.status).toBeLessThan(300)
      expect(gateway.emulator.counts().create).toBe(1)
    },
  )

  test.each(['gzip', 'br', 'identity, gzip'])('a content encoding of %s is 415', async (encoding) => {
    const answer = await send(gateway.url + path, {
      body: gzipSync(withMembers('')),
      headers: { ...JSON_TYPE, 'content-encoding': encoding },
    })
    expectProblem(answer, 415, 'unsupported_media_type')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('a body of the largest size is accepted, one byte more is 413 with the limit', async () => {
    const frame = withMembers(',"inputValues":{"value":""}')
    const fill = (bytes: number) => frame.replace('""', `"${'a'.repeat(bytes - frame.length)}"`)
    const answer = await send(gateway.url + path, { body: fill(LIMIT), headers: JSON_TYPE })
    expect(answer.status).toBeLessThan(300)
    gateway.emulator.resetCounts()
    const { detail } = await refused(path, fill(LIMIT + 1), 413, 'too_large')
    expect(detail).toContain(String(LIMIT))
  })

  test('too large and chunked is 413 as well', async () => {
    const chunk = `${(1024).toString(16)}\r\n${' '.repeat(1024)}\r\n`
    const text = await sendExactly(gateway.url, path, {
      method: 'POST',
      headers: ['content-type: application/json', 'transfer-encoding: chunked', '', chunk.repeat(65)],
    })
    expectProblem(text, 413, 'too_large')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('numbers and strings go upstream byte for byte', async () => {
    const values =
      '{ "value":\t[9007199254740993, 1e400, -0, 1.0, 1E5, "\\u00e9\\/\\ud800", "é😀", {"a":1,"a":2} ] }'
    const body = `{"type":"serverless", ${NAMES},"inputValues": ${values} }`
    const answer = await send(gateway.url + path, { body, headers: JSON_TYPE })
    expect(answer.status).toBeLessThan(300)
    const [sent] = gateway.emulator.requests('create')
    const text = sent?.body.toString('utf8')
    expect(text).toContain(`"inputValues":${path === '/v3/users/me/tasks' ? ' ' : ''}${values}`)
    if (path === '/v3/users/me/tasks') expect(text).toBe(body)
    else expect(text).toBe(`{"type":"serverless",${NAMES},"inputValues":${values}}`)
  })

  test('a body of the greatest depth is accepted', async () => {
    const body = withMembers(`,"inputValues":{"value":${deep(98)}}`)
    expect((await send(gateway.url + path, { body, headers: JSON_TYPE })).status).toBeLessThan(300)
  })
})

test.each(['/run', '/tasks'])('POST %s refuses names that are not documented', async (path) => {
  const problem = await refused(
    path,
    withMembers(',"webhookUrl":"https://x.example"'),
    400,
    'invalid_request',
  )
  expect(JSON.stringify(problem)).not.toContain('x.example')
})

test('an answer lists a bounded number of issues with bounded names', async () => {
  const members = Array.from({ length: 5_000 }, (_, at) => `,"${'x'.repeat(at === 0 ? 1_000 : 1)}${at}":0`)
  const problem = await refused('/run', withMembers(members.join('')), 400, 'invalid_request')
  expect(JSON.stringify(problem).length).toBeLessThan(8 * 1024)
})

test('the native create accepts unknown names, and passes them on', async () => {
  const body = withMembers(',"metadata":{"a":1}')
  const answer = await send(`${gateway.url}/v3/users/me/tasks`, { body, headers: JSON_TYPE })
  expect(answer.status).toBe(200)
  expect(gateway.emulator.requests('create')[0]?.body.toString()).toBe(body)
})

test('a result may be deeper than any body, and have names that no body may', async () => {
  const { emulator } = gateway
  const { taskID } = (await send(`${gateway.url}/tasks`, { body: runOf('hold') })).json
  const result = `{"status":"success","resultURL":null,"resultData":{"__proto__":${deep(5000)}},"a":1,"a":2}`
  emulator.misbehave('result', { kind: 'status', status: 200, body: result }, 2)
  const answer = await send(`${gateway.url}/tasks/${taskID}/result`)
  expect(answer.text).toBe(
    `{"taskID":"${taskID}","status":"success","resultURL":null,"resultData":{"__proto__":${deep(5000)}}}`,
  )
  const native = await send(`${gateway.url}/v3/users/me/tasks/${taskID}/result`)
  expect(native.text).toBe(result)
})

test('the native create needs its type', async () => {
  await refused('/v3/users/me/tasks', `{${NAMES}}`, 400, 'invalid_request')
})

describe.each(['/queue/pause', '/queue/resume', '/v3/user/pause', '/v3/user/resume'])('POST %s', (path) => {
  const user = {
    token: null,
    headers: { cookie: 'oomol-token=emulator-cookie', 'sec-fetch-site': 'same-origin' },
  }
  const operation = path.endsWith('pause') ? 'pause' : 'resume'
  const pauseType = operation === 'pause' ? 'user' : null

  test.each([
    ['{}', '{}', 'application/json'],
    ['{} with a member', '{"a":1}', 'application/json'],
    ['nothing under a JSON content type', '', 'application/json'],
    ['nothing at all', undefined, undefined],
    ['nothing under another content type', '', 'text/plain'],
  ])('%s works', async (_what, body, type) => {
    const headers = { ...user.headers, ...(type === undefined ? {} : { 'content-type': type }) }
    const options = body === undefined ? { headers } : { headers, body }
    const answer = await send(gateway.url + path, { token: null, method: 'POST', ...options })
    expect(answer.json).toEqual({ pauseType })
    expect(gateway.emulator.counts()[operation]).toBe(1)
  })

  test.each([
    ['[]', 400],
    ['{', 400],
    ['{"__proto__":1}', 400],
    [' '.repeat(65 * 1024), 413],
  ])('a body of %j (%#) is %i', async (body, status) => {
    const headers = { ...user.headers, ...JSON_TYPE }
    const answer = await send(gateway.url + path, { token: null, headers, body })
    expectProblem(answer, status, status === 400 ? 'invalid_request' : 'too_large')
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('a body of another type is 415', async () => {
    const headers = { ...user.headers, 'content-type': 'text/plain' }
    expectProblem(
      await send(gateway.url + path, { token: null, headers, body: 'x' }),
      415,
      'unsupported_media_type',
    )
    expectNothingUpstream(gateway.emulator.counts())
  })

  test('needs its scope, which no plain token has', async () => {
    const answer = await send(gateway.url + path, {
      headers: { authorization: TOKEN },
      token: null,
      body: {},
    })
    expectProblem(answer, 403, 'insufficient_scope')
    expectNothingUpstream(gateway.emulator.counts())
  })
})
