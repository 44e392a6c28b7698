import { createHash, randomBytes } from 'node:crypto'
import type { Client } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { runOf } from '../support/http.ts'
import { connectClient, said, VERSIONS } from './client.ts'

const RUNNER = 'test-token-of-the-runner'
const SOME = 'test-token-of-the-other'
const READER = 'test-token-of-the-reader'

const CONFIG = `
callers:
  - { id: runner, tokens: ["${RUNNER}"], scopes: [run, tasks:read, files:write], packages: ["*"], functions: ["*"] }
  - { id: some, tokens: ["${SOME}"], packages: [], functions: [greet] }
  - { id: reader, tokens: ["${READER}"], scopes: [tasks:read], functions: ["*"] }
functions:
  - { name: greet, package: greet, version: "2.0.0", block: hello, description: Greets somebody. }
  - { name: typed, package: "@emulator/basics", version: latest, block: typed, inputs: { count: 5 }, fixed: { ratio: 0.25 } }
  - { name: wait-for-it, package: "@emulator/basics", version: latest, block: hold, wait: 1s }
  - { name: fail, package: "@emulator/basics", version: latest, block: fail }
`

let gateway: TestGateway
const clients: Client[] = []
beforeAll(async () => {
  gateway = await startTestGateway({
    env: { GATEWAY_CONFIG: 'gateway.yaml' },
    files: { 'gateway.yaml': CONFIG },
    emulator: { partSize: 64 * 1024 },
  })
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
})

async function connect(token = RUNNER, version: (typeof VERSIONS)[number] = '2026-07-28'): Promise<Client> {
  const client = await connectClient(gateway, { token, version })
  clients.push(client)
  return client
}

describe.each(VERSIONS)('in version %s', (version) => {
  test('each function of the caller is a tool with its own schema', async () => {
    const { tools } = await (await connect(RUNNER, version)).listTools()
    const greet = tools.find(({ name }) => name === 'greet')
    expect(greet?.description).toContain('Greets somebody.')
    expect(greet?.inputSchema).toMatchObject({
      type: 'object',
      properties: { name: { type: 'string' }, idempotencyKey: { type: 'string' } },
      required: ['name'],
    })
    const typed = tools.find(({ name }) => name === 'typed')
    expect(typed?.inputSchema.properties).toMatchObject({ count: { default: 5 } })
    expect(typed?.inputSchema.properties).not.toHaveProperty('ratio')
  })

  test('a function is called with its inputs, and progress is told', async () => {
    const told: string[] = []
    const result = await (await connect(RUNNER, version)).callTool(
      { name: 'greet', arguments: { name: 'Ada' } },
      { onprogress: ({ message }) => told.push(message ?? '') },
    )
    expect(said(result)).toMatchObject({ status: 'success', resultData: [{ greeting: 'Hello, Ada!' }] })
    expect(told.at(-1)).toMatch(/success$/)
  })

  test('a file is uploaded, and its URL is an input', async () => {
    const client = await connect(RUNNER, version)
    const bytes = randomBytes(100_000)
    const uploaded = await client.callTool({
      name: 'upload_file',
      arguments: { name: 'page.txt', content: bytes.toString('base64') },
    })
    expect(said(uploaded)).toMatchObject({ name: 'page.txt', size: bytes.length, url: expect.any(String) })
    const inspect = { packageName: '@emulator/files', packageVersion: '1.0.0', blockName: 'inspect' }
    const result = await client.callTool({
      name: 'execute_task',
      arguments: { ...inspect, inputValues: { file: said(uploaded).url } },
    })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(JSON.stringify(said(result))).toContain(sha256)
  })
})

test('only the functions that the caller may run are there', async () => {
  const some = await connect(SOME)
  const names = (await some.listTools()).tools.map(({ name }) => name)
  expect(names).toContain('greet')
  expect(names).not.toContain('typed')
  await expect(some.callTool({ name: 'typed', arguments: {} })).rejects.toThrow('Tool typed not found')
  expect(said(await some.callTool({ name: 'greet', arguments: { name: 'Ada' } }))).toMatchObject({
    status: 'success',
  })
  const refused = await some.callTool({ name: 'execute_task', arguments: runOf('echo') })
  expect(said(refused)).toMatchObject({ code: 'package_denied' })

  const reader = await connect(READER)
  expect((await reader.listTools()).tools.map(({ name }) => name)).not.toContain('greet')
  await expect(reader.callTool({ name: 'greet', arguments: {} })).rejects.toThrow('Tool greet not found')
  expect(gateway.emulator.counts().create).toBe(1)
})

test('inputs that do not fit are named, and nothing is created', async () => {
  const result = await (await connect()).callTool({ name: 'typed', arguments: { count: 'many', ratio: 1 } })
  expect(result.isError).toBe(true)
  expect(said(result).errors).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ path: '/text' }),
      expect.objectContaining({ path: '/count' }),
      expect.objectContaining({ path: '/ratio' }),
    ]),
  )
  expect(gateway.emulator.counts().create).toBe(0)
})

test('a function waits as long as it says, and says how to go on', async () => {
  const result = await (await connect()).callTool({ name: 'wait-for-it', arguments: {} })
  expect(result.isError).toBeFalsy()
  expect(said(result)).toMatchObject({ status: 'running', next: expect.stringContaining('await_result') })
})

test('a function that fails is an error with its task', async () => {
  const result = await (await connect()).callTool({ name: 'fail', arguments: { message: 'no paper' } })
  expect(result.isError).toBe(true)
  expect(said(result)).toMatchObject({ code: 'task_failed', message: 'no paper', retryable: false })
  expect(said(result).taskID).toBe(gateway.emulator.tasks().at(-1)?.taskID)
})

test.each([
  [{ name: 'a.txt', content: 'no base64!' }, '/content'],
  [{ name: 'a.txt', content: 'YQ=' }, '/content'],
  [{ name: '../a.txt', content: 'YQ==' }, '/name'],
  [{ name: '', content: 'YQ==' }, '/name'],
])('%j is no file', async (wrong, path) => {
  const result = await (await connect()).callTool({ name: 'upload_file', arguments: wrong })
  expect(result.isError).toBe(true)
  expect(said(result).errors).toEqual([expect.objectContaining({ path })])
  expect(gateway.emulator.counts()['upload-init']).toBe(0)
})

describe('an idempotency key', () => {
  const call = async (name: string, args: object) =>
    (await connect()).callTool({ name, arguments: { ...args } as Record<string, unknown> })

  test.each(['create_task', 'execute_task', 'create_block_task', 'execute_block_task'])(
    'makes a repeat of %s safe',
    async (name) => {
      const args = { ...runOf('echo', { value: 1 }), idempotencyKey: `key-of-${name}` }
      const first = said(await call(name, args))
      const again = said(await call(name, args))
      expect(again.taskID).toBe(first.taskID)
      const other = await call(name, { ...args, inputValues: { value: 2 } })
      expect(said(other)).toMatchObject({ code: 'idempotency_key_reused' })
      expect(gateway.emulator.counts().create).toBe(1)
    },
  )

  test('makes a repeat of a function safe, and is no input', async () => {
    const first = said(await call('greet', { name: 'Ada', idempotencyKey: 'k1' }))
    expect(first).toMatchObject({ status: 'success' })
    expect(said(await call('greet', { idempotencyKey: 'k1', name: 'Ada' }))).toEqual(first)
    expect(said(await call('greet', { name: 'Bob', idempotencyKey: 'k1' }))).toMatchObject({
      code: 'idempotency_key_reused',
    })
    const [sent] = gateway.emulator.requests('create')
    expect(JSON.parse(sent?.body?.toString() ?? '').inputValues).toEqual({ name: 'Ada' })
    expect(gateway.emulator.counts().create).toBe(1)
  })

  test('a create that was started is joined by a run', async () => {
    const args = { ...runOf('echo', { value: 3 }), idempotencyKey: 'joined' }
    const { taskID } = said(await call('create_task', args))
    expect(said(await call('execute_task', args))).toMatchObject({ taskID, status: 'success' })
    expect(gateway.emulator.counts().create).toBe(1)
  })

  test('that is none is refused', async () => {
    for (const idempotencyKey of ['', 'a b', 7]) {
      const refused = await call('execute_task', { ...runOf('echo'), idempotencyKey })
      expect(said(refused).errors).toEqual([expect.objectContaining({ path: '/idempotencyKey' })])
      const greet = await call('greet', { name: 'Ada', idempotencyKey })
      expect(said(greet).errors).toEqual([expect.objectContaining({ path: '/idempotencyKey' })])
    }
    expect(gateway.emulator.counts().create).toBe(0)
  })
})
