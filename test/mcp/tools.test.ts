import type { CallToolResult, Client } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { runOf } from '../support/http.ts'
import { connectClient, said, VERSIONS } from './client.ts'

const EVERYTHING = 'test-token-cccccccccccccccc'

const CONFIG = `
callers:
  - id: all
    tokens: ["${EVERYTHING}"]
    scopes: [run, tasks:read, tasks:read:all, files:write, queue:read, queue:write]
    packages: ["*"]
  - id: reader
    tokens: ["test-token-dddddddddddddddd"]
    scopes: [tasks:read]
`

const FOURTEEN = [
  'await_result',
  'create_block_task',
  'create_task',
  'execute_block_task',
  'execute_task',
  'get_dashboard',
  'get_latest_tasks',
  'get_task',
  'get_task_result',
  'list_tasks',
  'pause_user_queue',
  'resume_user_queue',
  'set_tasks_pause',
  'upload_file',
]

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    env: { GATEWAY_CONFIG: 'gateway.yaml' },
    files: { 'gateway.yaml': CONFIG },
  })
})
afterAll(() => gateway.close())

const clients: Client[] = []
const connect = async (options?: Parameters<typeof connectClient>[1]) => {
  const client = await connectClient(gateway, options)
  clients.push(client)
  return client
}
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
})

describe.each(VERSIONS)('in version %s', (version) => {
  const call = async (name: string, args: object = {}): Promise<CallToolResult> => {
    const client = await connect({ version, token: EVERYTHING })
    await client.listTools()
    return client.callTool({ name, arguments: args as Record<string, unknown> })
  }

  test('the fourteen tools are listed with a schema of what they take and give', async () => {
    const { tools } = await (await connect({ version, token: EVERYTHING })).listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(FOURTEEN)
    for (const { inputSchema, outputSchema, description } of tools) {
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
      expect(outputSchema).toMatchObject({ type: 'object' })
      expect(description).not.toBe('')
    }
    const execute = tools.find(({ name }) => name === 'execute_task')
    expect(execute?.inputSchema.required).toEqual(['packageName', 'packageVersion', 'blockName'])
  })

  test.each(['execute_task', 'execute_block_task'])('%s gives the result', async (name) => {
    const result = await call(name, runOf('echo', { value: 'é' }))
    expect(result.isError).toBeFalsy()
    expect(result.structuredContent).toMatchObject({ status: 'success', resultData: [{ value: 'é' }] })
    expect(said(result)).toEqual(result.structuredContent)
  })

  test.each(['create_task', 'create_block_task'])('%s gives an id, await_result the result', async (name) => {
    const created = await call(name, runOf('echo', { value: 1 }))
    expect(created.structuredContent).toMatchObject({ status: 'queued' })
    const { taskID } = said(created)
    const result = await call('await_result', { taskID })
    expect(result.structuredContent).toMatchObject({ taskID, status: 'success', resultData: [{ value: 1 }] })
    expect(said(await call('get_task_result', { taskID }))).toEqual(said(result))
    expect(said(await call('get_task', { taskID }))).toMatchObject({ taskID, blockName: 'echo' })
  })

  test('tasks are listed, a page at a time, and the latest by their workload', async () => {
    await call('execute_task', runOf('echo'))
    await call('execute_task', runOf('echo'))
    const first = await call('list_tasks', { size: 1, status: 'success' })
    const { tasks, nextToken } = said(first) as { tasks: { workloadID: string }[]; nextToken: string }
    expect(tasks).toHaveLength(1)
    const second = said(await call('list_tasks', { size: 1, nextToken })) as { tasks: object[] }
    expect(second.tasks).toHaveLength(1)
    expect(second.tasks).not.toEqual(tasks)
    const latest = await call('get_latest_tasks', { workloadIDs: [tasks[0]?.workloadID] })
    expect(said(latest).tasks).toHaveLength(1)
  })

  test('the queue is shown, paused and resumed', async () => {
    const isPaused = async () =>
      (said(await call('get_dashboard')) as { pause: { paused: boolean } }).pause.paused
    expect(said(await call('pause_user_queue'))).toEqual({ pauseType: 'user' })
    expect(await isPaused()).toBe(true)
    expect(said(await call('resume_user_queue'))).toEqual({ pauseType: null })
    expect(said(await call('set_tasks_pause', { paused: true }))).toEqual({ pauseType: 'user' })
    expect(said(await call('set_tasks_pause', { paused: false }))).toEqual({ pauseType: null })
    expect(await isPaused()).toBe(false)
  })

  test('progress is told, growing, from the create to the end', async () => {
    const client = await connect({ version, token: EVERYTHING })
    const told: { progress: number; total?: number; message?: string }[] = []
    const result = await client.callTool(
      { name: 'execute_task', arguments: runOf('sleep', { seconds: 0.6 }) },
      { onprogress: (progress) => told.push(progress) },
    )
    const { taskID } = said(result)
    expect(told[0]).toMatchObject({ progress: 0, total: 100, message: `Task ${taskID} queued` })
    expect(told.at(-1)).toMatchObject({ progress: 100, message: `Task ${taskID} success` })
    const values = told.map(({ progress }) => progress)
    expect(values).toEqual([...new Set(values)].sort((a, b) => a - b))
    expect(values.length).toBeGreaterThan(2)
  })

  test('a cancelled call stops the waiting, and the task goes on', async () => {
    const client = await connect({ version, token: EVERYTHING })
    const controller = new AbortController()
    const created = gateway.emulator.arrived('result')
    const call = client.callTool(
      { name: 'execute_task', arguments: { ...runOf('hold'), waitSeconds: 60 } },
      { signal: controller.signal },
    )
    const refused = expect(call).rejects.toThrow()
    await created
    controller.abort()
    await refused
    await expect
      .poll(() => gateway.gateway.polling(), { timeout: 8_000, message: 'the wait did not stop' })
      .toEqual({ tasks: 0, requests: 0 })
    const task = gateway.emulator.tasks().at(-1)
    expect(task?.status).toBe('running')
    gateway.emulator.finish(task?.taskID ?? '', { status: 'success' })
  })
})

test('a task that fails is an error with its id and code, and nothing to repeat it by', async () => {
  const client = await connect({ token: EVERYTHING })
  const result = await client.callTool({
    name: 'execute_task',
    arguments: runOf('fail', { message: 'no paper' }),
  })
  expect(result.isError).toBe(true)
  expect(said(result)).toEqual({
    code: 'task_failed',
    message: 'no paper',
    taskID: expect.stringMatching(/./),
    status: 'failed',
    retryable: false,
  })
})

test('a wait that ends is no error: it says how to go on', async () => {
  const client = await connect({ token: EVERYTHING })
  const result = await client.callTool({
    name: 'execute_task',
    arguments: { ...runOf('hold'), waitSeconds: 0.2 },
  })
  expect(result.isError).toBeFalsy()
  const { taskID, status, next } = said(result)
  expect(status).not.toBe('success')
  expect(next).toContain(`await_result with taskID ${taskID}`)
  gateway.emulator.finish(String(taskID), { status: 'success', resultData: [{ done: true }] })
  const end = await client.callTool({ name: 'await_result', arguments: { taskID } })
  expect(said(end)).toMatchObject({ taskID, status: 'success', resultData: [{ done: true }] })
})

test('an error after the create carries the task, and is not to be repeated', async () => {
  const client = await connect({ token: EVERYTHING })
  const undo = gateway.emulator.misbehave('result', { kind: 'status', status: 403 }, Number.POSITIVE_INFINITY)
  try {
    const result = await client.callTool({ name: 'execute_task', arguments: runOf('hold') })
    expect(result.isError).toBe(true)
    expect(said(result)).toMatchObject({
      code: 'upstream_auth_failed',
      taskID: gateway.emulator.tasks().at(-1)?.taskID,
      retryable: false,
      next: expect.stringContaining('await_result'),
    })
  } finally {
    undo()
  }
})

test('an error before the create names no task and says whether it may be repeated', async () => {
  const client = await connect({ token: EVERYTHING })
  gateway.emulator.misbehave('create', { kind: 'status', status: 429, headers: { 'retry-after': '7' } })
  const result = await client.callTool({ name: 'execute_task', arguments: runOf('echo') })
  expect(said(result)).toMatchObject({ code: 'upstream_rate_limited', retryable: true, retryAfterSeconds: 7 })
  expect(said(result)).not.toHaveProperty('taskID')
})

test('inputs go upstream and results come back digit for digit', async () => {
  const client = await connect({ token: EVERYTHING })
  const inputs = '{"value":[9007199254740993, 1e400, "\\u00e9"]}'
  const body = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"execute_task","arguments":{"packageName":"@emulator/basics","packageVersion":"latest","blockName":"echo","inputValues":${inputs}}}}`
  const answer = await fetch(`${gateway.url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${EVERYTHING}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body,
  })
  const data = (await answer.text()).split('\n').find((line) => line.startsWith('data: '))
  const { result } = JSON.parse(data?.slice(6) ?? '')
  expect(result.content[0].text).toContain(inputs.slice(1, -1))
  const sent = gateway.emulator.requests('create').at(-1)?.body?.toString()
  expect(sent).toContain(`"inputValues":${inputs}`)
  await client.close()
})

test('arguments that do not fit are named, and nothing reaches upstream', async () => {
  const client = await connect({ token: EVERYTHING })
  const before = gateway.emulator.counts().create
  const wrong = { ...runOf('echo'), packageName: '../x', extra: 1 }
  const refused = await client.callTool({ name: 'create_task', arguments: wrong })
  expect(refused.isError).toBe(true)
  expect(said(refused)).toMatchObject({ code: 'invalid_request', retryable: false })
  expect(said(refused).errors).toContainEqual({ path: '/extra', message: expect.any(String) })
  const named = await client.callTool({
    name: 'create_task',
    arguments: { ...runOf('echo'), packageName: '../x' },
  })
  expect(said(named).errors).toEqual([
    { path: '/packageName', message: 'must be a package name such as @acme/pdf' },
  ])
  expect(gateway.emulator.counts().create).toBe(before)
})

test('a tool that the scopes do not allow is neither listed nor callable', async () => {
  const reader = await connect({ token: 'test-token-dddddddddddddddd' })
  const { tools } = await reader.listTools()
  expect(tools.map(({ name }) => name).sort()).toEqual([
    'await_result',
    'get_latest_tasks',
    'get_task',
    'get_task_result',
    'list_tasks',
  ])
  const before = gateway.emulator.counts()
  for (const name of FOURTEEN.filter((name) => !tools.some((tool) => tool.name === name))) {
    await expect(reader.callTool({ name, arguments: {} })).rejects.toThrow(`Tool ${name} not found`)
  }
  expect(gateway.emulator.counts()).toEqual(before)
})

test("another caller's task does not exist", async () => {
  const owner = await connect({ token: EVERYTHING })
  const { taskID } = said(await owner.callTool({ name: 'execute_task', arguments: runOf('echo') }))
  const reader = await connect({ token: 'test-token-dddddddddddddddd' })
  for (const name of ['get_task', 'get_task_result', 'await_result']) {
    const result = await reader.callTool({ name, arguments: { taskID } })
    expect(said(result)).toEqual({
      code: 'not_found',
      message: 'There is no such task.',
      taskID,
      retryable: false,
    })
  }
})
