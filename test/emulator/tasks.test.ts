import { describe, expect, it } from 'vitest'
import { within } from '../support/within.ts'
import { ask, call, create, createBody, ended, KEY, resultOf, start, TASKS } from './client.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const AT_ONCE = { queuedMs: 0, schedulingMs: 0, scheduledMs: 0, runningMs: 0 }

/** A clock that only the test moves. */
function createClock() {
  let time = 1_700_000_000_000
  return {
    now: () => time,
    forward(ms: number): void {
      time += ms
    },
  }
}

describe('creating a task', () => {
  it('answers with an id that begins with the time', async () => {
    const clock = createClock()
    const emulator = await start({ now: clock.now })
    const { status, json } = await ask('POST', emulator.url + TASKS, {
      body: createBody('echo', { value: 1 }),
    })
    expect(status).toBe(200)
    expect(Object.keys(json)).toEqual(['taskID'])
    expect(json.taskID).toMatch(UUID_V7)
    expect(Number.parseInt(json.taskID.replace('-', '').slice(0, 12), 16)).toBe(clock.now())
  })

  it.each([
    ['no JSON', 'nonsense', 400],
    ['truncated JSON', '{"type":"serverless"', 400],
    ['an array', '[]', 400],
    ['nothing', '', 400],
    ['another type', createBody('echo', {}, { type: 'applet' }), 400],
    ['no type', createBody('echo', {}, { type: undefined }), 400],
    ['a name that is not a string', createBody('echo', {}, { packageName: 7 }), 400],
    ['no version', createBody('echo', {}, { packageVersion: undefined }), 400],
    ['no block', createBody('echo', {}, { blockName: '' }), 400],
    ['inputs that are a list', createBody('echo', []), 400],
    ['inputs that are null', createBody('echo', null), 400],
    ['an unknown package', createBody('echo', {}, { packageName: 'nobody' }), 404],
    ['an unknown version', createBody('echo', {}, { packageVersion: '9.9.9' }), 404],
    ['an unknown block', createBody('nothing'), 404],
    ['a block that the version lacks', createBody('hold', {}, { packageVersion: '1.0.0' }), 404],
    ['a name of the prototype', createBody('echo', {}, { packageName: '__proto__' }), 404],
  ])('refuses %s', async (_name, body, expected) => {
    const emulator = await start()
    const { status, json } = await ask('POST', emulator.url + TASKS, { body })
    expect(status).toBe(expected)
    expect(typeof json.message).toBe('string')
    expect(emulator.tasks()).toEqual([])
  })

  it('resolves latest and keeps the raw body', async () => {
    const emulator = await start()
    const body = Buffer.from(
      ' {"packageName":"@emulator/basics", "packageVersion":"latest","type":"serverless",' +
        '"blockName":"echo","webhookUrl":"x","inputValues":{ "value":1e400 }}',
    )
    const taskID = await create(emulator, body)
    expect(emulator.tasks()).toMatchObject([
      {
        taskID,
        identity: KEY,
        packageVersion: '1.1.0',
        packageID: '@emulator/basics@1.1.0',
        blockName: 'echo',
        inputValues: { value: Number.POSITIVE_INFINITY },
        rawInputValues: Buffer.from('{ "value":1e400 }'),
        rawBody: body,
      },
    ])
  })

  it('takes no inputs for empty ones', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const taskID = await create(emulator, createBody('echo'))
    expect((await resultOf(emulator, taskID)).json.resultData).toEqual([{}])
  })

  it('answers 402 without credit', async () => {
    const emulator = await start({ keys: ['rich', 'poor'] })
    emulator.setCredit('poor', false)
    const body = createBody('echo')
    expect(await ask('POST', emulator.url + TASKS, { body, authorization: 'poor' })).toEqual({
      status: 402,
      json: { message: 'Insufficient credit', code: 'OOMOL_INSUFFICIENT_CREDIT' },
    })
    expect((await ask('POST', emulator.url + TASKS, { body, authorization: 'rich' })).status).toBe(200)
    emulator.setCredit('poor', true)
    expect((await ask('POST', emulator.url + TASKS, { body, authorization: 'poor' })).status).toBe(200)
  })
})

describe('the life of a task', () => {
  it('passes through its states with rising progress', async () => {
    const clock = createClock()
    const emulator = await start({
      now: clock.now,
      phases: { queuedMs: 10, schedulingMs: 10, scheduledMs: 10, runningMs: 10 },
    })
    const taskID = await create(emulator, createBody('sleep', { seconds: 2, value: 'done' }))
    const seen: unknown[] = []
    for (const ms of [0, 10, 10, 10, 1000, 999, 1]) {
      clock.forward(ms)
      seen.push((await resultOf(emulator, taskID)).json)
    }
    expect(seen).toEqual([
      { status: 'queued', progress: 0 },
      { status: 'scheduling', progress: 2 },
      { status: 'scheduled', progress: 5 },
      { status: 'running', progress: 10 },
      { status: 'running', progress: 54 },
      { status: 'running', progress: 98 },
      { status: 'success', resultURL: null, resultData: [{ slept: 2, value: 'done' }] },
    ])
  })

  it('gives progress from 0 to 1 if set so', async () => {
    const clock = createClock()
    const emulator = await start({ now: clock.now, phases: AT_ONCE, progressScale: 1 })
    const taskID = await create(emulator, createBody('sleep', { seconds: 2 }))
    clock.forward(1000)
    expect((await resultOf(emulator, taskID)).json).toEqual({ status: 'running', progress: 0.54 })
  })

  it('fails with the message given', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const taskID = await create(emulator, createBody('fail', { message: '余额不足 — no' }))
    expect((await resultOf(emulator, taskID)).json).toEqual({ status: 'failed', error: '余额不足 — no' })
    const { json } = await ask('GET', `${emulator.url}${TASKS}/${taskID}`)
    expect(json).toMatchObject({ status: 'failed', failedMessage: '余额不足 — no', resultURL: null })
  })

  it('runs until it is finished', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const url = 'https://files.example/result'
    const first = await create(emulator, createBody('hold'))
    const second = await create(emulator, createBody('hold'))
    expect((await resultOf(emulator, first)).json.status).toBe('running')
    emulator.finish(first, { status: 'success', resultData: { one: 'é' }, resultURL: url })
    emulator.finish(second, { status: 'failed', error: null })
    expect((await resultOf(emulator, first)).json).toEqual({
      status: 'success',
      resultURL: url,
      resultData: { one: 'é' },
    })
    expect((await resultOf(emulator, second)).json).toEqual({ status: 'failed', error: null })
    expect(() => emulator.finish(first, { status: 'success' })).toThrow('has ended already')
    expect(() => emulator.finish('nobody', { status: 'success' })).toThrow('there is no task')
  })

  it('may end without result data, and before it ran', async () => {
    const emulator = await start({ phases: { queuedMs: 60_000 } })
    const taskID = await create(emulator, createBody('sleep', { seconds: 60 }))
    emulator.finish(taskID, { status: 'success' })
    expect((await resultOf(emulator, taskID)).json).toEqual({ status: 'success', resultURL: null })
    const [task] = emulator.tasks()
    expect(task).toMatchObject({ status: 'success', progress: 100 })
    expect(task?.startTime).toBe(task?.endTime)
  })
})

describe('what tasks show of themselves', () => {
  it('has every documented field in detail and list', async () => {
    const clock = createClock()
    const emulator = await start({ now: clock.now, phases: AT_ONCE })
    const createdAt = clock.now()
    const taskID = await create(emulator, createBody('echo', { value: 'é' }))
    const { json: detail } = await ask('GET', `${emulator.url}${TASKS}/${taskID}`)
    const { json: list } = await ask('GET', emulator.url + TASKS)
    expect(detail).toEqual({
      taskID,
      taskType: 'user',
      ownerID: expect.stringMatching(/^[0-9a-f-]{36}$/),
      subscriptionID: null,
      packageID: '@emulator/basics@1.1.0',
      blockName: 'echo',
      status: 'success',
      progress: 100,
      workload: 'serverless',
      workloadID: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resultURL: null,
      failedMessage: null,
      createdAt,
      updatedAt: createdAt,
      startTime: createdAt,
      endTime: createdAt,
      schedulerPayload: { inputValues: { value: 'é' } },
    })
    expect(list).toEqual({ tasks: [detail], nextToken: null })
    expect(JSON.stringify(detail)).not.toContain(KEY)
  })

  it('gives one workload id to each block of each version', async () => {
    const emulator = await start()
    const bodies = [
      createBody('echo'),
      createBody('echo', {}, { packageVersion: '1.1.0' }),
      createBody('echo', {}, { packageVersion: '1.0.0' }),
      createBody('hold'),
    ]
    for (const body of bodies) await create(emulator, body)
    const [a, b, c, d] = emulator.tasks().map((task) => task.workloadID)
    expect(a).toBe(b)
    expect(new Set([a, c, d]).size).toBe(3)
  })

  it('answers 404 to ids that are none', async () => {
    const emulator = await start()
    expect((await ask('GET', `${emulator.url}${TASKS}/no-such-task/result`)).status).toBe(404)
    expect(emulator.counts()).toMatchObject({ result: 1, unknown: 0 })
  })

  it('pages its log from 1', async () => {
    const clock = createClock()
    const emulator = await start({ now: clock.now, phases: AT_ONCE })
    const taskID = await create(emulator, createBody('sleep', { seconds: 12 }))
    clock.forward(60_000)
    const url = `${emulator.url}${TASKS}/${taskID}/logs`
    const first = await ask('GET', url)
    expect(first.json).toEqual((await ask('GET', `${url}?page=1`)).json)
    expect(first.json.logs).toHaveLength(10)
    expect(first.json.logs[0]).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      message: 'task created for sleep',
    })
    const second = (await ask('GET', `${url}?page=2`)).json.logs
    expect(second.map(({ message }: { message: string }) => message)).toEqual([
      'running, second 10',
      'running, second 11',
      'running, second 12',
      'success',
    ])
    expect((await ask('GET', `${url}?page=3`)).json).toEqual({ logs: [] })
    for (const page of ['0', '-1', 'x', '1.5']) {
      expect((await ask('GET', `${url}?page=${page}`)).status).toBe(400)
    }
  })
})

describe('the queue', () => {
  it('holds new tasks while it is paused', async () => {
    const emulator = await start({ phases: AT_ONCE, keys: [KEY, 'other'] })
    const running = await create(emulator, createBody('hold'))
    expect(await ask('POST', `${emulator.url}/v3/user/pause`, { body: '{}' })).toEqual({
      status: 200,
      json: { pauseType: 'user' },
    })
    const waiting = await create(emulator, createBody('echo', { value: 1 }))
    const others = await create(emulator, createBody('echo'), { authorization: 'other' })
    expect((await resultOf(emulator, running)).json.status).toBe('running')
    expect((await resultOf(emulator, waiting)).json).toEqual({ status: 'queued', progress: 0 })
    expect((await resultOf(emulator, others, { authorization: 'other' })).json.status).toBe('success')
    expect((await ask('GET', `${emulator.url}/v3/users/me/dashboard`)).json).toEqual({
      limits: { maxConcurrency: expect.any(Number), maxQueueSize: expect.any(Number) },
      count: { queued: 1, scheduling: 0, scheduled: 0, running: 1 },
      pause: { paused: true, type: 'user', canResume: true },
    })
    expect((await ask('POST', `${emulator.url}/v3/user/resume`)).json).toEqual({ pauseType: null })
    expect((await resultOf(emulator, waiting)).json.status).toBe('success')
    const { json } = await ask('GET', `${emulator.url}/v3/users/me/dashboard`)
    expect(json.pause).toEqual({ paused: false, type: null, canResume: false })
  })

  it.each(['pause', 'resume'])(
    'takes %s with an empty body of type JSON, but no nonsense',
    async (operation) => {
      const emulator = await start()
      const url = `${emulator.url}/v3/user/${operation}`
      const headers = { 'content-type': 'application/json' }
      expect((await ask('POST', url, { headers })).status).toBe(200)
      expect((await ask('POST', url, { headers, body: '{}' })).status).toBe(200)
      expect((await ask('POST', url, { headers, body: '[' })).status).toBe(400)
    },
  )
})

describe('blocks', () => {
  it('echoes byte for byte', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const inputs = Buffer.concat([
      Buffer.from('{ "n":9007199254740993,"big":1e400,"neg":-0.0,"s":"\\u00e9é', 'utf8'),
      Buffer.from([0xff]),
      Buffer.from('","__proto__":{"a":1}, "deep":'.concat('['.repeat(10_000), ']'.repeat(10_000), '}')),
    ])
    const head = createBody('echo').slice(0, -1)
    const taskID = await create(
      emulator,
      Buffer.concat([Buffer.from(`${head},"inputValues":`), inputs, Buffer.from('}')]),
    )
    const { bytes } = await call('GET', `${emulator.url}${TASKS}/${taskID}/result`)
    const expected = [
      Buffer.from('{"status":"success","resultURL":null,"resultData":['),
      inputs,
      Buffer.from(']}'),
    ]
    expect(bytes.equals(Buffer.concat(expected))).toBe(true)
    const detail = await call('GET', `${emulator.url}${TASKS}/${taskID}`)
    expect(detail.bytes.includes(inputs)).toBe(true)
  })

  it.each([
    ['sleep', { seconds: 'long' }, 'input seconds must be a number from 0'],
    ['sleep', {}, 'input seconds must be a number from 0'],
    ['fail', {}, 'input message must be a string'],
    ['fail', { message: 'x', seconds: -1 }, 'input seconds must be a number from 0'],
  ])('fails %s with inputs %o', async (block, inputs, error) => {
    const emulator = await start({ phases: AT_ONCE })
    const taskID = await create(emulator, createBody(block, inputs))
    expect((await resultOf(emulator, taskID)).json).toEqual({ status: 'failed', error })
  })

  it('greets from a package without a scope', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const body = createBody('hello', { name: 'Zoë' }, { packageName: 'greet' })
    const taskID = await create(emulator, body)
    expect((await resultOf(emulator, taskID)).json.resultData).toEqual([{ greeting: 'Hello, Zoë!' }])
  })

  it('runs what a test publishes', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const block = { blockName: 'own', inputHandleDefs: [], outputHandleDefs: [] }
    emulator.publish({ packageName: 'mine', packageVersion: '1.0.0', blocks: [block] })
    emulator.publish({
      packageName: 'mine',
      packageVersion: '2.0.0',
      blocks: [{ ...block, run: () => ({ kind: 'works', work: () => Promise.reject(new Error('no')) }) }],
    })
    const first = await create(
      emulator,
      createBody('own', { a: 1 }, { packageName: 'mine', packageVersion: '1.0.0' }),
    )
    const latest = await create(emulator, createBody('own', {}, { packageName: 'mine' }))
    expect((await resultOf(emulator, first)).json.resultData).toEqual([{ a: 1 }])
    expect(await ended(emulator, latest)).toEqual({ status: 'failed', error: 'the block broke' })
  })

  it('keeps no more tasks than allowed', async () => {
    const emulator = await start({ maxTasks: 20 })
    for (let at = 0; at < 45; at++) await create(emulator, createBody('hold', { value: at }))
    const values = emulator.tasks().map(({ inputValues }) => (inputValues as { value: number }).value)
    expect(values.length).toBeLessThanOrEqual(20)
    expect(values.at(-1)).toBe(44)
  })

  it('keeps no more bytes of bodies than allowed', async () => {
    const emulator = await start({ maxBodyBytes: 100_000 })
    for (let at = 0; at < 10; at++) {
      await create(emulator, createBody('hold', { value: `${at}${'x'.repeat(30_000)}` }))
    }
    const values = emulator.tasks().map(({ inputValues }) => (inputValues as { value: string }).value[0])
    expect(values).toEqual(['7', '8', '9'])
    const bodies = emulator.requests('create').map(({ body }) => body.length > 0)
    expect(bodies).toEqual([...Array(7).fill(false), true, true, true])
    expect(emulator.requests('create')[0]?.bytes).toBeGreaterThan(30_000)
  })

  it('costs no timer for each task', async () => {
    const emulator = await start({ phases: AT_ONCE })
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const body = createBody('sleep', { seconds: 3600 })
    for (let at = 0; at < 100; at++) await create(emulator, body)
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    expect(timers - before).toBeLessThan(20)
    await within(ask('GET', `${emulator.url}/v3/users/me/dashboard`), 'the dashboard was not answered')
  })
})
