import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/emulator/emulator.ts'
import type { Fault } from '../../src/emulator/faults.ts'
import { within } from '../support/within.ts'
import { ask, call, create, createBody, get, post, resultOf, sendRaw, start, TASKS } from './client.ts'

const DASHBOARD = '/v3/users/me/dashboard'

function dashboard(emulator: Emulator) {
  return call('GET', emulator.url + DASHBOARD)
}

async function statuses(emulator: Emulator, number: number): Promise<number[]> {
  const seen: number[] = []
  for (let at = 0; at < number; at++) seen.push((await dashboard(emulator)).status)
  return seen
}

/** A promise and the function that fulfils it. */
function createGate() {
  let open = (): void => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  return { until, open }
}

describe('telling faults', () => {
  it('uses them up in the order they were added, each operation by itself', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'status', status: 500 }, 2)
    emulator.misbehave('dashboard', { kind: 'status', status: 429 })
    emulator.misbehave('list', { kind: 'status', status: 503 })
    expect(await statuses(emulator, 4)).toEqual([500, 500, 429, 200])
    expect((await call('GET', emulator.url + TASKS)).status).toBe(503)
  })

  it('takes them back', async () => {
    const emulator = await start()
    const takeBack = emulator.misbehave(
      'dashboard',
      { kind: 'status', status: 500 },
      Number.POSITIVE_INFINITY,
    )
    emulator.misbehave('dashboard', { kind: 'status', status: 418 })
    expect(await statuses(emulator, 3)).toEqual([500, 500, 500])
    takeBack()
    takeBack()
    expect(await statuses(emulator, 2)).toEqual([418, 200])
  })

  it('does nothing with 0 times', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'status', status: 500 }, 0)
    expect(await statuses(emulator, 1)).toEqual([200])
  })

  it('reaches unknown paths as well', async () => {
    const emulator = await start()
    emulator.misbehave('unknown', { kind: 'status', status: 502 })
    expect((await call('GET', `${emulator.url}/nowhere`)).status).toBe(502)
  })
})

describe('statuses', () => {
  it('come with the body and headers given', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', {
      kind: 'status',
      status: 429,
      body: '<p>slow down</p>',
      headers: { 'Retry-After': '7', 'Content-Type': 'text/html' },
    })
    const { status, headers, text } = await dashboard(emulator)
    expect([status, text]).toEqual([429, '<p>slow down</p>'])
    expect(headers).toMatchObject({ 'retry-after': '7', 'content-type': 'text/html' })
  })

  it('come in the form of the service by default', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'status', status: 503 })
    const { text, headers } = await dashboard(emulator)
    expect(JSON.parse(text)).toEqual({ message: 'emulated status 503' })
    expect(headers['content-type']).toContain('application/json')
  })

  it('may be none that HTTP knows', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'status', status: 999 })
    expect((await dashboard(emulator)).status).toBe(999)
    for (const status of [1000, 99]) {
      emulator.misbehave('dashboard', { kind: 'status', status, body: 'odd' })
      const { received, end } = await sendRaw(emulator.url, get(DASHBOARD))
      expect([end, received]).toEqual([
        'closed',
        expect.stringMatching(`^HTTP/1.1 ${status} [\\s\\S]*\r\n\r\nodd$`),
      ])
    }
  })

  it('refuse a create before it takes effect, or after', async () => {
    const emulator = await start()
    emulator.misbehave('create', { kind: 'status', status: 500 })
    emulator.misbehave('create', { kind: 'status', status: 500, when: 'before-answer' })
    expect((await call('POST', emulator.url + TASKS, { body: createBody('hold') })).status).toBe(500)
    expect(emulator.tasks()).toHaveLength(0)
    expect((await call('POST', emulator.url + TASKS, { body: createBody('hold') })).status).toBe(500)
    expect(emulator.tasks()).toHaveLength(1)
    expect(emulator.counts().create).toBe(2)
  })
})

describe('connections that break', () => {
  const body = createBody('hold')

  it.each([
    ['before-processing', 0, /^$/],
    ['before-answer', 1, /^$/],
    ['mid-answer', 1, /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n\{"taskID":"[0-9a-f-]*$/],
  ] as const)('are reset %s', async (when, created, expected) => {
    const emulator = await start()
    emulator.misbehave('create', { kind: 'reset', when })
    const { received, end } = await sendRaw(emulator.url, post(TASKS, body))
    expect(end).toBe('ECONNRESET')
    expect(received).toMatch(expected)
    expect(emulator.tasks()).toHaveLength(created)
    expect(emulator.requests('create')[0]?.body.toString()).toBe(body)
  })

  it.each([
    [undefined, 1],
    ['before-processing', 0],
  ] as const)('are closed without a byte (%s)', async (when, created) => {
    const emulator = await start()
    emulator.misbehave(
      'create',
      when === undefined ? { kind: 'no-answer-close' } : { kind: 'no-answer-close', when },
    )
    expect(await sendRaw(emulator.url, post(TASKS, body))).toEqual({ received: '', end: 'closed' })
    expect(emulator.tasks()).toHaveLength(created)
  })

  it.each([
    [{ kind: 'hang' }, 1],
    [{ kind: 'hang', when: 'before-processing' }, 0],
  ] as [Fault, number][])('stay open without an answer: %o', async (fault, created) => {
    const emulator = await start()
    emulator.misbehave('create', fault)
    const asked = sendRaw(emulator.url, post(TASKS, body))
    await within(emulator.arrived('create', 1), 'the create did not arrive')
    await dashboard(emulator)
    expect(emulator.tasks()).toHaveLength(created)
    await within(emulator.close(), 'the emulator did not close')
    expect((await asked).received).toBe('')
  })
})

describe('answers that are late', () => {
  it('come after a delay', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'delay', ms: 120 })
    const before = performance.now()
    expect((await dashboard(emulator)).status).toBe(200)
    expect(performance.now() - before).toBeGreaterThan(110)
  })

  it('come when a gate opens, of a write that took effect at once', async () => {
    const emulator = await start()
    const gate = createGate()
    emulator.misbehave('create', { kind: 'gate', until: gate.until })
    const asked = ask('POST', emulator.url + TASKS, { body: createBody('hold') })
    await within(emulator.arrived('create', 1), 'the create did not arrive')
    expect(emulator.tasks()).toHaveLength(1)
    gate.open()
    expect((await asked).json).toEqual({ taskID: emulator.tasks()[0]?.taskID })
  })

  it('give the state at the time when the gate opens', async () => {
    const emulator = await start()
    const gate = createGate()
    const taskID = await create(emulator, createBody('hold'))
    emulator.misbehave('result', { kind: 'gate', until: gate.until })
    const asked = resultOf(emulator, taskID)
    await within(emulator.arrived('result', 1), 'the request did not arrive')
    emulator.finish(taskID, { status: 'failed', error: 'late' })
    gate.open()
    expect((await asked).json).toEqual({ status: 'failed', error: 'late' })
  })

  it('drip byte after byte', async () => {
    const emulator = await start()
    emulator.misbehave('pause', { kind: 'drip', intervalMs: 5 })
    const before = performance.now()
    const { text } = await call('POST', `${emulator.url}/v3/user/pause`)
    expect(text).toBe('{"pauseType":"user"}')
    expect(performance.now() - before).toBeGreaterThan(text.length * 5 - 10)
  })

  it('never come behind hints', async () => {
    const emulator = await start()
    emulator.misbehave('dashboard', { kind: 'endless-103', intervalMs: 5 })
    const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1', () =>
      socket.write(get(DASHBOARD)),
    )
    let received = ''
    const hinted = new Promise<void>((resolve) => {
      socket.setEncoding('latin1').on('data', (chunk) => {
        received += chunk
        if (received.split('HTTP/1.1 103 Early Hints\r\n').length > 5) resolve()
      })
    })
    await within(hinted, 'the hints did not come')
    await within(emulator.close(), 'the emulator did not close')
    socket.destroy()
    expect(received).not.toContain('200')
  })
})

describe('answers that are wrong', () => {
  async function spoilt(fault: Fault) {
    const emulator = await start()
    const right = (await dashboard(emulator)).bytes
    emulator.misbehave('dashboard', fault)
    return { right, ...(await dashboard(emulator)) }
  }

  it('are HTML', async () => {
    expect(await spoilt({ kind: 'html' })).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/html' },
      text: expect.stringContaining('<html>'),
    })
    expect((await spoilt({ kind: 'html', status: 502 })).status).toBe(502)
  })

  it('are cut in HTTP that is whole', async () => {
    const { status, bytes, right, headers } = await spoilt({ kind: 'truncated-json' })
    expect(status).toBe(200)
    expect(bytes.equals(right.subarray(0, right.length >> 1))).toBe(true)
    expect(headers['content-length']).toBe(String(bytes.length))
  })

  it('are not JSON', async () => {
    const { text, headers } = await spoilt({ kind: 'invalid-json' })
    expect(headers['content-type']).toContain('application/json')
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
  })

  it('lead elsewhere', async () => {
    const location = 'http://elsewhere.example/'
    expect(await spoilt({ kind: 'redirect', location })).toMatchObject({ status: 302, headers: { location } })
    expect((await spoilt({ kind: 'redirect', location, status: 308 })).status).toBe(308)
  })

  it('are compressed', async () => {
    const { bytes, right, headers } = await spoilt({ kind: 'gzip' })
    expect(headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(bytes).equals(right)).toBe(true)
  })

  it.each([5_000_000, 14, 0])('are huge: %d bytes', async (size) => {
    const { bytes, text } = await spoilt({ kind: 'huge', bytes: size })
    expect(bytes.length).toBe(Math.max(size, 14))
    expect(Object.keys(JSON.parse(text))).toEqual(['padding'])
  })

  it('show an unknown status', async () => {
    const emulator = await start()
    const taskID = await create(emulator, createBody('echo'))
    for (const operation of ['result', 'detail', 'list', 'latest'] as const) {
      emulator.misbehave(operation, { kind: 'unknown-status', status: 'napping' })
    }
    const workloadID = emulator.tasks()[0]?.workloadID
    expect((await resultOf(emulator, taskID)).json).toEqual({
      status: 'napping',
      progress: expect.any(Number),
    })
    expect((await ask('GET', `${emulator.url}${TASKS}/${taskID}`)).json.status).toBe('napping')
    expect((await ask('GET', emulator.url + TASKS)).json.tasks[0].status).toBe('napping')
    const latest = await ask('GET', `${emulator.url}${TASKS}/latest?workloadIDs=${workloadID}`)
    expect(latest.json[0].status).toBe('napping')
    expect((await resultOf(emulator, taskID)).json.status).not.toBe('napping')
  })

  it('spoil a create that took effect', async () => {
    const emulator = await start()
    const faults: Fault[] = [
      { kind: 'truncated-json' },
      { kind: 'invalid-json' },
      { kind: 'huge', bytes: 100 },
    ]
    for (const fault of faults) emulator.misbehave('create', fault)
    for (const _fault of faults) await call('POST', emulator.url + TASKS, { body: createBody('hold') })
    expect(emulator.tasks()).toHaveLength(3)
  })
})

describe('parts', () => {
  const SIZE = 8 * 1024 * 1024

  async function presigned(emulator: Emulator, size = SIZE) {
    const body = JSON.stringify({ file_extension: '', size })
    const { json } = await ask('POST', `${emulator.uploadUrl}/init`, { body })
    const { pathname, search } = new URL(json.data.presigned_urls[1])
    return { uploadID: json.data.upload_id, url: json.data.presigned_urls[1], target: pathname + search }
  }

  function head(target: string): string {
    return `PUT ${target} HTTP/1.1\r\nHost: e\r\nConnection: close\r\nContent-Length: ${SIZE}\r\n\r\n`
  }

  it('are answered before their body came', async () => {
    const emulator = await start()
    const { target, uploadID } = await presigned(emulator)
    emulator.misbehave('part', { kind: 'early-answer', status: 403 })
    const { received } = await sendRaw(emulator.storeUrl, `${head(target)}12345`)
    expect(received).toMatch(/^HTTP\/1.1 403 /)
    expect(emulator.file(uploadID)?.parts).toEqual([])
  })

  it('are not read until the promise is fulfilled', async () => {
    const emulator = await start()
    const { url, uploadID } = await presigned(emulator)
    const gate = createGate()
    emulator.misbehave('part', { kind: 'slow-read', until: gate.until })
    const asked = call('PUT', url, { body: Buffer.alloc(SIZE), authorization: null })
    const record = await within(emulator.arrived('part', 1), 'the part did not arrive')
    await dashboard(emulator)
    expect(record.bytes).toBe(0)
    gate.open()
    expect((await asked).status).toBe(200)
    expect(record.bytes).toBe(SIZE)
    expect(emulator.file(uploadID)?.parts).toEqual([1])
  })

  it('are refused after their body was read, and not stored', async () => {
    const emulator = await start()
    const { url, uploadID } = await presigned(emulator)
    emulator.misbehave('part', { kind: 'status', status: 503, headers: { 'retry-after': '1' } })
    const answer = await call('PUT', url, { body: Buffer.alloc(SIZE), authorization: null })
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(emulator.file(uploadID)?.parts).toEqual([])
  })

  it('are stored though the answer is lost', async () => {
    const emulator = await start()
    const { url, uploadID } = await presigned(emulator)
    emulator.misbehave('part', { kind: 'reset', when: 'before-answer' })
    await expect(call('PUT', url, { body: Buffer.alloc(SIZE), authorization: null })).rejects.toThrow()
    expect(emulator.file(uploadID)?.parts).toEqual([1])
  })
})
