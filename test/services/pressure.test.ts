import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createProcessWatch } from '../../src/commands/watch-process.ts'
import type { PressureSample } from '../../src/domain/pressure.ts'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { connectClient, said } from '../mcp/client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { runOf, type SendOptions, send } from '../support/http.ts'
import { expectNothingUpstream, expectProblem } from '../support/problem.ts'
import { until, within } from '../support/within.ts'

const WELL: PressureSample = { loopDelayMs: 5, heapShare: 0.3, freeDescriptors: 1_000 }
const SHORT: PressureSample = { ...WELL, heapShare: 0.95 }

let emulator: Emulator
let gateway: TestGateway
let sample: (sample: PressureSample) => void
let isWatching = false

const GATEWAY_YAML = `
functions:
  - { name: repeat, package: "@emulator/basics", version: latest, block: echo }
`

beforeAll(async () => {
  emulator = await startEmulator()
  gateway = await startTestGateway({
    emulator,
    env: { GATEWAY_CONFIG: 'gateway.yaml', METRICS_PORT: '0' },
    files: { 'gateway.yaml': GATEWAY_YAML },
    watchPressure: (note) => {
      sample = note
      isWatching = true
      return () => {
        isWatching = false
      }
    },
  })
})
beforeEach(() => {
  for (let times = 0; times < 3; times += 1) sample(WELL)
  emulator.resetCounts()
})
afterAll(async () => {
  await gateway?.close()
  await emulator?.close()
})

const shed = () => {
  for (let times = 0; times < 3; times += 1) sample(SHORT)
}
const ask = (path: string, options?: SendOptions) => send(`${gateway.url}${path}`, options)
const form = (value: string) =>
  [
    '--b',
    'content-disposition: form-data; name="file"; filename="a.txt"',
    'content-type: text/plain',
    '',
    value,
    '--b--',
    '',
  ].join('\r\n')
const asForm = {
  headers: { 'content-type': 'multipart/form-data; boundary=b' },
  body: form('some bytes'),
}
const nativeRun = { type: 'serverless', ...runOf('echo') }

const NEW: [name: string, path: string, options: SendOptions][] = [
  ['a run', '/run', { body: runOf('echo') }],
  ['a run with events', '/run', { body: runOf('echo'), headers: { accept: 'text/event-stream' } }],
  ['a run with a key', '/run', { body: runOf('echo'), headers: { 'idempotency-key': 'new' } }],
  ['a run with files', '/run', asForm],
  ['a function', '/run/repeat', { body: {} }],
  ['a function with files', '/run/repeat', asForm],
  ['a create', '/tasks', { body: runOf('echo') }],
  ['a native create', '/v3/users/me/tasks', { body: nativeRun }],
  ['a form of files', '/files', asForm],
  ['a file', '/files/a.txt', { method: 'PUT', body: Buffer.from('some bytes') }],
  ['a native upload', '/api/tasks/files/remote-cache/init', { body: { file_extension: '.txt', size: 10 } }],
]

test.each(NEW)(
  'under pressure %s is refused before anything of it goes upstream',
  async (_name, path, options) => {
    shed()
    const answer = await ask(path, options)
    if (answer.status === 200) {
      expect(answer.text).toMatch(/^event: error\ndata: .*"code":"overloaded"/)
    } else {
      expectProblem(answer, 503, 'overloaded')
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    }
    // What a function is may be asked of the registry.
    expectNothingUpstream({ ...emulator.counts(), 'package-info': 0 })
    for (let times = 0; times < 3; times += 1) sample(WELL)
    expect((await ask(path, options)).text).not.toContain('overloaded')
  },
)

test('over MCP as well', async () => {
  const client = await connectClient(gateway)
  shed()
  const upload = { name: 'a.txt', content: 'aGk=' }
  const { inputValues: _, ...block } = runOf('echo')
  const calls: [name: string, args: object][] = [
    ['create_block_task', block],
    ['execute_block_task', block],
    ['upload_file', upload],
    ['repeat', {}],
  ]
  for (const [name, args] of calls) {
    const result = await client.callTool({ name, arguments: { ...args } })
    expect([name, result.isError, said(result).code]).toEqual([name, true, 'overloaded'])
  }
  // What a function is may be asked of the registry.
  expectNothingUpstream({ ...emulator.counts(), 'package-info': 0 })
  await client.close()
})

test('who waits, reads or repeats goes on; readyz says so, livez does not', async () => {
  const headers = { 'idempotency-key': 'before' }
  const done = await ask('/run', { body: runOf('echo', { value: 1 }), headers })
  expect(done.status).toBe(200)
  const waiting = ask('/run', { body: runOf('hold') })
  await emulator.arrived('create', 2)
  shed()

  const ready = await ask('/readyz')
  expect([ready.status, ready.json, ready.headers['retry-after']]).toEqual([503, { status: 'shedding' }, '1'])
  expect((await ask('/livez')).status).toBe(200)
  for (const path of ['', '/result', '/logs']) {
    expect((await ask(`/tasks/${done.json.taskID}${path}`)).status).toBe(200)
  }
  expect((await ask('/tasks')).status).toBe(200)
  expect((await ask('/queue')).status).toBe(200)
  const repeated = await ask('/run', { body: runOf('echo', { value: 1 }), headers })
  expect([repeated.status, repeated.headers['idempotency-replayed']]).toEqual([200, 'true'])

  const { taskID } = emulator.tasks().at(-1) ?? {}
  emulator.finish(taskID ?? '', { status: 'success', resultData: [] })
  expect((await within(waiting, 'the waiting run was not answered')).status).toBe(200)
})

test('the log says why it began and that it ended, the metrics that it is so', async () => {
  const port = await gateway.gateway.metricsServer?.listen({ host: '127.0.0.1', port: 0 })
  const scrape = async () => (await send(`http://127.0.0.1:${port}/metrics`, { token: null })).text
  expect(await scrape()).toContain('\nshedding 0\n')
  gateway.logs.length = 0
  for (let times = 0; times < 3; times += 1) sample({ ...WELL, loopDelayMs: 1_500 })
  expect(await scrape()).toContain('\nshedding 1\n')
  expect(await scrape()).toContain('\nevent_loop_delay_seconds 1.5\n')
  for (let times = 0; times < 3; times += 1) sample(WELL)
  const lines = gateway.logs.filter(({ msg }) => String(msg).includes('shedding'))
  expect(lines).toEqual([
    expect.objectContaining({ level: 40, causes: ['event loop'], loopDelayMs: 1_500 }),
    expect.objectContaining({ level: 40, msg: 'no longer shedding' }),
  ])
})

test('a loop that is really blocked is noticed, and so is its end', async () => {
  const samples: PressureSample[] = []
  const stop = createProcessWatch({ descriptorLimit: 1_000_000, intervalMs: 50 })((each) =>
    samples.push(each),
  )
  const block = () => {
    const end = performance.now() + 700
    while (performance.now() < end);
  }
  await until(() => samples.length > 0, 'there was no sample')
  const before = samples.length
  const blocking = setInterval(block, 1)
  const isLate = ({ loopDelayMs }: PressureSample) => loopDelayMs > 500
  await until(() => samples.slice(before).filter(isLate).length >= 2, 'the delay was not seen', 10_000)
  clearInterval(blocking)
  const after = samples.length
  await until(() => samples.slice(after).some((each) => each.loopDelayMs < 200), 'its end was not seen')
  stop()
  expect(samples.every(({ heapShare }) => heapShare >= 0 && heapShare < 1)).toBe(true)
  const free = samples.map(({ freeDescriptors }) => freeDescriptors)
  expect(Math.max(...free)).toBeLessThan(1_000_000)
})

test('the watch ends with the gateway', async () => {
  expect(isWatching).toBe(true)
  await gateway.close()
  expect(isWatching).toBe(false)
})
