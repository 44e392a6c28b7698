import { createHash } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Operation } from '../../src/emulator/emulator.ts'
import { KEY, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { createSeededRandom, randomBytesOf } from '../support/seeded-random.ts'
import {
  CLI,
  type Dialect,
  MCP_SDK,
  OfficialClient,
  OfficialError,
  PYTHON_SDK,
  TYPESCRIPT_SDK,
} from './official-client.ts'

const TOKEN = 'test-token-eeeeeeeeeeeeeeee'
const PART_SIZE = 64 * 1024

const CONFIG = `
callers:
  - id: client
    tokens: ["${TOKEN}"]
    scopes: [run, tasks:read, files:write, queue:read, queue:write]
    packages: ["*"]
`

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    env: { GATEWAY_CONFIG: 'gateway.yaml' },
    files: { 'gateway.yaml': CONFIG },
    emulator: { partSize: PART_SIZE },
  })
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())

/** Resolves every host to the gateway, as the DNS or hosts file of a CLI user would. */
const lookup: LookupFunction = (_host, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
const everyHostIsTheGateway = new Agent({ connect: { lookup } })

function clientOf(dialect: Dialect, apiKey = TOKEN): OfficialClient {
  const port = new URL(gateway.url).port
  return dialect === CLI
    ? new OfficialClient(CLI, {
        ...QUICK,
        apiKey,
        baseUrl: `http://oomol.test:${port}`,
        dispatcher: everyHostIsTheGateway,
      })
    : new OfficialClient(dialect, { ...QUICK, apiKey, baseUrl: `${gateway.url}/v3/` })
}
const QUICK = { pollMs: 20, retryMs: 1 }

const ECHO = { packageName: '@emulator/basics', packageVersion: 'latest', blockName: 'echo' }
const SAID = 'The cat sat on it.'

describe.each([TYPESCRIPT_SDK, PYTHON_SDK, MCP_SDK, CLI])('the $name', (dialect) => {
  test('creates a task and polls for its result', async () => {
    const client = clientOf(dialect)
    const task = { ...ECHO, inputValues: { value: 'é' }, webhookUrl: 'https://x.example', metadata: {} }
    const { taskID } = await client.createTask(task)
    expect(await client.awaitResult(taskID)).toMatchObject({
      status: 'success',
      resultData: [{ value: 'é' }],
    })
    const [sent] = gateway.emulator.requests('create')
    expect(JSON.parse(sent?.body?.toString() ?? '')).toEqual({
      type: 'serverless',
      ...ECHO,
      inputValues: { value: 'é' },
    })
    expect(sent?.headers.authorization).toBe(`Bearer ${KEY}`)
  })

  test('reads a task: detail, result, logs, the list, the latest of a workload', async () => {
    const client = clientOf(dialect)
    const { taskID } = await client.createTask(ECHO)
    await client.awaitResult(taskID)
    expect(await client.task(taskID)).toMatchObject({ taskID, status: 'success' })
    expect(await client.taskResult(taskID)).toMatchObject({ status: 'success' })
    expect(await client.taskLogs(taskID)).toEqual({ logs: expect.any(Array) })
    const { tasks } = await client.listTasks({ size: 10, status: 'success', workload: 'serverless' })
    const found = tasks.find((task: { taskID: string }) => task.taskID === taskID)
    expect(found).toBeDefined()
    const latest = await client.latestTasks([found.workloadID])
    expect(latest).toMatchObject([{ workloadID: found.workloadID }])
  })

  test('sees, pauses and resumes the queue', async () => {
    const client = clientOf(dialect)
    expect(await client.pause()).toEqual({ pauseType: 'user' })
    expect(await client.dashboard()).toMatchObject({ pause: { paused: true } })
    expect(await client.resume()).toEqual({ pauseType: null })
    expect(await client.dashboard()).toMatchObject({ pause: { paused: false } })
  })

  test('reads what the registry knows of a package', async () => {
    const info = await clientOf(dialect).packageInfo('@emulator/basics')
    expect(info).toMatchObject({ packageName: '@emulator/basics', blocks: expect.any(Array) })
  })

  test.each(['page.txt', 'README'])('uploads %s in parts, straight to the store', async (name) => {
    const client = clientOf(dialect)
    const bytes = randomBytesOf(createSeededRandom('bytes of a file'), 2 * PART_SIZE + 17)
    const url = await client.uploadFile(name, bytes)
    const inspect = { packageName: '@emulator/files', packageVersion: '1.0.0', blockName: 'inspect' }
    const result = await client.createAndWait({ ...inspect, inputValues: { file: url } })
    expect(result.resultData[0]).toMatchObject({
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    expect(gateway.emulator.counts().part).toBe(3)
    expect(gateway.emulator.violations()).toEqual([])
  })

  test.each<[Operation, (client: OfficialClient) => Promise<unknown>]>([
    ['create', (client) => client.createTask(ECHO)],
    ['list', (client) => client.listTasks()],
    ['latest', (client) => client.latestTasks(['w1'])],
    ['detail', async (client) => client.task((await client.createTask(ECHO)).taskID)],
    ['result', async (client) => client.taskResult((await client.createTask(ECHO)).taskID)],
    ['logs', async (client) => client.taskLogs((await client.createTask(ECHO)).taskID)],
    ['dashboard', (client) => client.dashboard()],
    ['pause', (client) => client.pause()],
    ['resume', (client) => client.resume()],
    ['package-info', (client) => client.packageInfo('greet', '9.9.9')],
    ['upload-init', (client) => client.uploadFile('a.txt', Buffer.from('a'))],
    ['upload-url', (client) => client.uploadFile('a.txt', Buffer.from('a'))],
  ])("shows upstream's own message when %s is rejected", async (operation, call) => {
    const body = JSON.stringify({ message: SAID })
    gateway.emulator.misbehave(operation, { kind: 'status', status: 422, body })
    const error = await call(clientOf(dialect)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OfficialError)
    expect(error).toMatchObject({ message: SAID, status: 422 })
  })

  test.each<[Operation, (client: OfficialClient) => Promise<unknown>]>([
    ['create', (client) => client.createTask(ECHO)],
    ['list', (client) => client.listTasks()],
    ['pause', (client) => client.pause()],
    ['upload-init', (client) => client.uploadFile('a.txt', Buffer.from('a'))],
  ])('shows a message of ours when %s breaks', async (operation, call) => {
    gateway.emulator.misbehave(operation, { kind: 'html', status: 502 })
    await expect(call(clientOf(dialect))).rejects.toMatchObject({
      message: expect.stringMatching(/^[A-Z].*\.$/),
      status: 502,
    })
  })

  test('polls on through errors until the end', async () => {
    const client = clientOf(dialect)
    const { taskID } = await client.createTask(ECHO)
    gateway.emulator.misbehave('result', { kind: 'status', status: 500 }, 2)
    gateway.emulator.misbehave('result', { kind: 'reset', when: 'before-answer' })
    expect(await client.awaitResult(taskID)).toMatchObject({ status: 'success' })
  })

  test('gets the reason of a failed task, and an error of its own without credit', async () => {
    const client = clientOf(dialect)
    const fail = (message: string) =>
      client.createAndWait({ ...ECHO, blockName: 'fail', inputValues: { message } })
    await expect(fail('no paper')).rejects.toMatchObject({ message: 'no paper' })
    await expect(fail('insufficient balance')).rejects.toMatchObject({
      code: 'INSUFFICIENT_QUOTA',
      status: 402,
    })
    gateway.emulator.setCredit(KEY, false)
    await expect(client.createTask(ECHO)).rejects.toMatchObject({ status: 402, message: expect.any(String) })
    gateway.emulator.setCredit(KEY, true)
  })

  test('tries a part again, three times in all', async () => {
    gateway.emulator.misbehave('part', { kind: 'status', status: 500 }, 2)
    expect(await clientOf(dialect).uploadFile('a.txt', Buffer.from('a'))).toMatch(/^http/)
    gateway.emulator.misbehave('part', { kind: 'status', status: 500 }, 3)
    await expect(clientOf(dialect).uploadFile('a.txt', Buffer.from('a'))).rejects.toMatchObject({
      status: 500,
    })
  })

  test('gets an error if its key is not a token', async () => {
    const before = gateway.emulator.counts()
    await expect(clientOf(dialect, KEY).listTasks()).rejects.toMatchObject({
      status: 401,
      code: 'unauthenticated',
      message: expect.any(String),
    })
    expect(gateway.emulator.counts()).toEqual(before)
  })
})

test.each(['', '/', '/v1', '/v3', '/v3/'])('a base URL may end in "%s"', async (end) => {
  const client = new OfficialClient(TYPESCRIPT_SDK, { apiKey: TOKEN, baseUrl: `${gateway.url}${end}` })
  expect(await client.dashboard()).toHaveProperty('limits')
})
