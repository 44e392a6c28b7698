import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'
import { LIMITED_TOKEN, publishSpecial, READER_TOKEN, startWithFunctions } from './setup.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startWithFunctions()
  publishSpecial(gateway, [
    { handle: "it's", json_schema: { type: 'string', default: undefined, enum: ["'; rm -rf / #$(id)`"] } },
    { handle: 'n', json_schema: { type: 'integer', minimum: 7 } },
  ])
})
afterAll(() => gateway.close())

const names = (answer: { json: { functions: { name: string }[] } }) =>
  answer.json.functions.map(({ name }) => name)

test('each caller sees the functions that it may run', async () => {
  expect(names(await send(`${gateway.url}/functions`))).toEqual(['typed', 'echo', 'hold', 'special'])
  expect(names(await send(`${gateway.url}/functions`, { token: LIMITED_TOKEN }))).toEqual(['typed', 'echo'])
  expect((await send(`${gateway.url}/functions`, { token: READER_TOKEN })).status).toBe(403)
  expect((await send(`${gateway.url}/functions`, { token: null })).status).toBe(401)
  expect((await send(`${gateway.url}/functions`, { method: 'HEAD' })).status).toBe(200)
})

test('a function is described with its schemas, without its fixed inputs', async () => {
  const { status, json, text } = await send(`${gateway.url}/functions/typed`)
  expect(status).toBe(200)
  expect(json).toMatchObject({
    name: 'typed',
    description: 'Says what it is told.',
    packageName: '@emulator/basics',
    packageVersion: '1.1.0',
    blockName: 'typed',
    validated: true,
    defaults: { format: 'webp', tags: ['a'] },
    outputSchema: { type: 'object', properties: { text: { type: 'string', description: 'The same' } } },
    example: { inputs: { text: 'text' } },
  })
  expect(json.inputSchema).toMatchObject({ type: 'object', required: ['text'], additionalProperties: false })
  expect(Object.keys(json.inputSchema.properties)).toEqual([
    'text',
    'count',
    'format',
    'tags',
    'options',
    'image',
    'target',
    'anything',
  ])
  expect(json.inputSchema.properties).toMatchObject({
    count: { type: 'integer', minimum: 0, maximum: 100, default: 3, description: 'Has a default' },
    format: { enum: ['png', 'jpeg', 'webp'], default: 'webp' },
    image: { type: ['string', 'null'], contentMediaType: 'oomol/image', 'ui:widget': 'file' },
    anything: { description: 'Has no schema' },
  })
  expect(text).not.toMatch(/fixed|0\.25/)
})

test('a wait is shown in seconds', async () => {
  expect((await send(`${gateway.url}/functions/hold`)).json.waitSeconds).toBe(0.3)
})

test('a caller that may not run a function sees nothing of it', async () => {
  const denied = await send(`${gateway.url}/functions/hold`, { token: LIMITED_TOKEN })
  expect([denied.status, denied.json.code]).toEqual([403, 'function_denied'])
  const missing = await send(`${gateway.url}/functions/nothing`)
  expect([missing.status, missing.json.detail]).toEqual([404, 'There is no such function.'])
})

test('the example runs in a shell unchanged, whatever the registry says', async () => {
  const { json } = await send(`${gateway.url}/functions/special`)
  expect(json.example.inputs).toEqual({ "it's": "'; rm -rf / #$(id)`", n: 7 })
  // A shell that prints the arguments of curl instead of running it.
  const script = `curl() { printf '%s\\n' "$@"; }; ${json.example.curl}`
  const env = { GATEWAY_URL: gateway.url, GATEWAY_TOKEN: 'TOKEN' }
  const lines = execFileSync('sh', ['-c', script], { env }).toString().trimEnd().split('\n')
  expect(lines).toEqual([
    `${gateway.url}/run/special`,
    '-H',
    'Authorization: Bearer TOKEN',
    '-H',
    'Content-Type: application/json',
    '-d',
    JSON.stringify(json.example.inputs),
  ])
})

test('the API description has the functions of the caller that reads it', async () => {
  const open = await send(`${gateway.url}/openapi.json`, { token: null })
  expect(open.status).toBe(200)
  expect(Object.keys(open.json.paths)).toContain('/run/{function}')
  expect(open.json.paths['/run/typed']).toBeUndefined()

  const own = await send(`${gateway.url}/openapi.json`, { token: LIMITED_TOKEN })
  const { post } = own.json.paths['/run/typed']
  expect(post.requestBody.content['application/json'].schema.required).toEqual(['text'])
  expect(
    post.responses['200'].content['application/json'].schema.properties.resultData.anyOf[1],
  ).toMatchObject({
    properties: { text: { type: 'string' } },
  })
  expect(post.parameters.map(({ in: place }: { in: string }) => place)).not.toContain('path')
  expect(own.json.paths['/run/hold']).toBeUndefined()
  expect(Object.keys(own.json.paths)).toContain('/run/{function}')

  const reader = await send(`${gateway.url}/openapi.json`, { token: READER_TOKEN })
  expect(reader.json.paths['/run/typed']).toBeUndefined()
  const wrong = await send(`${gateway.url}/openapi.json`, { token: 'wrong-token-wrong-token' })
  expect([wrong.status, wrong.json.code]).toEqual([401, 'unauthenticated'])
  const cookie = await send(`${gateway.url}/openapi.json`, {
    token: null,
    headers: { cookie: 'oomol-token=x' },
  })
  expect(cookie.status).toBe(200)
})
