import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { createHttpClient } from '../../src/cloud/http-client.ts'
import { toRecordKey } from '../../src/domain/idempotency.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { builtProgram } from '../support/built-program.ts'
import { environmentFor, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type Answer, runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { until, within } from '../support/within.ts'

// Between an acknowledged intent and the first byte of its create a process may stand still, for as long as another
// one needs to prove that there is no task and to make it.

const RECORD_KEY = toRecordKey('app', 'k')
/** A create may be sent for two seconds after its intent was. */
const LATE_MS = 2_001

let gateway: TestGateway | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

/** A store whose acknowledgements of intents pass `onIntent`, which may hold them up. */
function storeWith(onIntent: (intents: number) => Promise<void>): Store {
  const store = createMemoryStore({ now: Date.now })
  let intents = 0
  const acknowledge = async (value: string): Promise<void> => {
    if (!value.includes('"creating"')) return
    intents += 1
    await onIntent(intents)
  }
  return {
    ...bound(store),
    claim: async (space, key, value, expiresAtMs) => {
      const other = await store.claim(space, key, value, expiresAtMs)
      await acknowledge(value)
      return other
    },
    replace: async (space, key, expected, value, expiresAtMs) => {
      const isReplaced = await store.replace(space, key, expected, value, expiresAtMs)
      await acknowledge(value)
      return isReplaced
    },
  }
}

function bound(store: Store): Store {
  const names = ['claim', 'put', 'replace', 'get', 'getMany', 'delete', 'sweep', 'close'] as const
  return Object.fromEntries(names.map((name) => [name, store[name].bind(store)])) as unknown as Store
}

const post = (url: string): Promise<Answer> =>
  send(`${url}/run?wait=5`, { body: runOf('echo', { value: 1 }), headers: { 'idempotency-key': 'k' } })

test.each([1, 2])(
  '%i acknowledgements come late: nothing is sent for them, and one create after',
  async (late) => {
    let aheadMs = 0
    const creates: number[] = []
    const store = storeWith(async (intents) => {
      creates.push(gateway?.emulator.counts().create ?? -1)
      if (intents <= late) aheadMs += LATE_MS
    })
    gateway = await startTestGateway({ store, monotonicNow: () => performance.now() + aheadMs })
    const answer = await post(gateway.url)
    expect([answer.status, answer.json.resultData]).toEqual([200, [{ value: 1 }]])
    // One intent more than were late, and before each of them nothing had been sent.
    expect(creates).toEqual(Array(late + 1).fill(0))
    expect(gateway.emulator.counts().create).toBe(1)
    const repeat = await post(gateway.url)
    expect([repeat.text, repeat.headers['idempotency-replayed']]).toEqual([answer.text, 'true'])
    expect(gateway.emulator.counts().create).toBe(1)
  },
)

test('an acknowledgement that is just in time is good', async () => {
  let aheadMs = 0
  let intents = 0
  const store = storeWith(async (count) => {
    intents = count
    aheadMs += 1_500
  })
  gateway = await startTestGateway({ store, monotonicNow: () => performance.now() + aheadMs })
  expect((await post(gateway.url)).status).toBe(200)
  expect(intents).toBe(1)
})

test('three acknowledgements come late: 503, no record, no create; and the next try is as the first', async () => {
  let aheadMs = 0
  let isSlow = true
  const store = storeWith(async () => {
    if (isSlow) aheadMs += LATE_MS
  })
  gateway = await startTestGateway({ store, monotonicNow: () => performance.now() + aheadMs })
  const refused = await post(gateway.url)
  expectProblem(refused, 503, 'store_unavailable')
  expect(refused.json.retryable).toBe(true)
  expect(refused.headers['retry-after']).toBe('5')
  expect(await store.get('idempotency', RECORD_KEY)).toBeUndefined()
  expect(gateway.emulator.counts().create).toBe(0)
  isSlow = false
  const answer = await post(gateway.url)
  expect([answer.status, answer.headers['idempotency-replayed']]).toEqual([200, undefined])
  expect(gateway.emulator.counts().create).toBe(1)
})

test('another process that took the intent for lost meanwhile keeps the key: nothing is sent', async () => {
  let aheadMs = 0
  const store = storeWith(async (intents) => {
    if (intents > 1) return
    aheadMs += LATE_MS
    const text = (await store.get('idempotency', RECORD_KEY)) ?? ''
    const { fingerprint, startedAtMs } = JSON.parse(text)
    const task = {
      taskID: 'made-by-another',
      createdAtMs: startedAtMs,
      answer: '{"taskID":"made-by-another"}',
    }
    const created = JSON.stringify({ state: 'created', fingerprint, startedAtMs, ...task })
    await store.replace('idempotency', RECORD_KEY, text, created, 60_000)
  })
  gateway = await startTestGateway({ store, monotonicNow: () => performance.now() + aheadMs })
  const headers = { 'idempotency-key': 'k' }
  const answer = await send(`${gateway.url}/tasks`, { body: runOf('echo', { value: 1 }), headers })
  expect([answer.headers['x-task-id'], answer.headers['idempotency-replayed']]).toEqual([
    'made-by-another',
    'true',
  ])
  expect(gateway.emulator.counts().create).toBe(0)
})

test('a create that waits too long for a connection is not sent under its old intent', {
  timeout: 20_000,
}, async () => {
  let aheadMs = 0
  let intents = 0
  const store = storeWith(async (count) => {
    intents = count
  })
  gateway = await startTestGateway({ store, monotonicNow: () => performance.now() + aheadMs })
  const { emulator, url } = gateway
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  // Every connection to upstream is busy with a create of somebody else.
  const others = 256
  emulator.misbehave('create', { kind: 'gate', until: gate }, others)
  const unkeyed = Array.from({ length: others }, () => send(`${url}/tasks`, { body: runOf('echo') }))
  await within(emulator.arrived('create', others), 'not every connection is busy', 10_000)
  const answer = post(url)
  await until(() => intents === 1, 'no intent was written')
  await sleep(50)
  aheadMs += LATE_MS
  open()
  expect((await answer).status).toBe(200)
  await Promise.all(unkeyed)
  expect(intents).toBe(2)
  expect(emulator.counts().create).toBe(others + 1)
})

test('a call that is too late leaves no byte on its connection, which is used again', async () => {
  const requests: string[] = []
  let connections = 0
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    response.end('{}')
  })
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = createHttpClient({ allowInsecure: true })
  onTestFinished(async () => {
    await client.close()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const call = (path: string, isLate: boolean) =>
    client.call({
      origin: `http://127.0.0.1:${port}`,
      path,
      method: 'POST',
      headers: [],
      body: Buffer.from('{}'),
      deadlineMs: 5_000,
      maxAnswerBytes: 1_000,
      isTooLate: () => isLate,
    })
  await call('/first', false)
  // Its connection is free again a turn later.
  await sleep(20)
  await expect(call('/late', true)).rejects.toMatchObject({ kind: 'late', sent: false })
  expect((await call('/second', false)).status).toBe(200)
  expect([requests, connections]).toEqual([['/first', '/second'], 1])
})

test('a process that stands still between intent and send writes the intent again', {
  timeout: 20_000,
}, async () => {
  const emulator = await startEmulator()
  const program = builtProgram('test/wire/standing-gateway.ts')
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH, ...environmentFor(emulator) },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await emulator.close()
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await until(() => lines.length > 0, 'the gateway does not listen', 10_000)
  const answer = post(lines[0] ?? '')
  await until(() => lines.includes('intent 1'), 'no intent was written')
  child.kill('SIGSTOP')
  // The acknowledgement lies in the pipe when the process goes on, and looks fresh.
  child.stdin.write('acknowledged\n')
  await sleep(LATE_MS + 200)
  child.kill('SIGCONT')
  const { status, json } = await within(answer, 'no answer', 8_000)
  expect([status, json.resultData]).toEqual([200, [{ value: 1 }]])
  expect(lines.slice(1)).toEqual(['intent 1', 'intent 2'])
  expect(emulator.counts().create).toBe(1)
})
