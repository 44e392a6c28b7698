import { describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/emulator/emulator.ts'
import { ask, call, create, createBody, resultOf, start, TASKS } from './client.ts'

function control(emulator: Emulator, method: string, path: string, body?: unknown) {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return ask(method, `${emulator.url}/_emulator/${path}`, { authorization: null, body: text })
}

describe('the control plane', () => {
  it('takes faults, counts and resets', async () => {
    const emulator = await start()
    const fault = { kind: 'status', status: 503, body: 'no', headers: { 'retry-after': '3' } }
    expect(await control(emulator, 'POST', 'misbehave', { operation: 'list', fault, times: 2 })).toEqual({
      status: 200,
      json: {},
    })
    const always = { operation: 'detail', fault: { kind: 'html' }, times: 'always' }
    await control(emulator, 'POST', 'misbehave', always)
    const answer = await call('GET', emulator.url + TASKS)
    expect([answer.status, answer.text, answer.headers['retry-after']]).toEqual([503, 'no', '3'])
    expect((await control(emulator, 'GET', 'counts')).json).toEqual(emulator.counts())
    expect(emulator.counts()).toMatchObject({ list: 1, unknown: 0 })
    expect((await control(emulator, 'POST', 'reset')).json).toEqual({})
    expect(emulator.counts().list).toBe(0)
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
    expect((await call('GET', `${emulator.url}${TASKS}/nobody`)).status).toBe(404)
  })

  it.each([
    { kind: 'delay', ms: 1 },
    { kind: 'hang', when: 'before-processing' },
    { kind: 'reset', when: 'mid-answer' },
    { kind: 'drip', intervalMs: 1 },
    { kind: 'html', status: 502 },
    { kind: 'truncated-json' },
    { kind: 'redirect', location: 'http://elsewhere.example' },
    { kind: 'huge', bytes: 100 },
    { kind: 'lag', ms: 5 },
    { kind: 'order', order: 'shuffled' },
  ])('takes $kind', async (fault) => {
    const emulator = await start()
    expect((await control(emulator, 'POST', 'misbehave', { operation: 'list', fault })).status).toBe(200)
  })

  it.each([
    [{ operation: 'nothing', fault: { kind: 'hang' } }, 'operation is not known'],
    [{ operation: 'list' }, 'fault must be an object with a kind'],
    [{ operation: 'list', fault: { kind: 'gate' } }, 'fault.kind is not known, or cannot be set over HTTP'],
    [
      { operation: 'list', fault: { kind: 'toString' } },
      'fault.kind is not known, or cannot be set over HTTP',
    ],
    [{ operation: 'list', fault: { kind: 'status' } }, 'fault.status is missing or wrong'],
    [{ operation: 'list', fault: { kind: 'status', status: 'ok' } }, 'fault.status is missing or wrong'],
    [{ operation: 'list', fault: { kind: 'delay', ms: -1 } }, 'fault.ms is missing or wrong'],
    [{ operation: 'list', fault: { kind: 'reset' } }, 'fault.when is missing or wrong'],
    [{ operation: 'list', fault: { kind: 'gzip', status: 1 } }, 'fault.status is not known'],
    [{ operation: 'list', fault: { kind: 'hang' }, times: 'often' }, 'times must be a number or "always"'],
  ])('refuses %o', async (body, message) => {
    const emulator = await start()
    expect(await control(emulator, 'POST', 'misbehave', body)).toEqual({ status: 400, json: { message } })
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
  })

  it('shows tasks and ends them', async () => {
    const emulator = await start()
    const body = createBody('hold', { value: 1 })
    const taskID = await create(emulator, body)
    const { json } = await control(emulator, 'GET', 'tasks')
    expect(json.tasks).toMatchObject([
      { taskID, blockName: 'hold', inputValues: { value: 1 }, rawBody: body },
    ])
    const end = { status: 'success', resultData: [{ a: 1 }] }
    expect((await control(emulator, 'POST', 'finish', { taskID, end })).json).toEqual({})
    expect((await resultOf(emulator, taskID)).json).toEqual({ ...end, resultURL: null })
    expect((await control(emulator, 'POST', 'finish', { taskID, end })).status).toBe(409)
    for (const wrong of [{}, { taskID }, { taskID, end: { status: 'done' } }, { end }]) {
      expect((await control(emulator, 'POST', 'finish', wrong)).status).toBe(400)
    }
  })

  it('answers 404 to what it does not know', async () => {
    const emulator = await start()
    expect((await control(emulator, 'GET', 'misbehave')).status).toBe(404)
    expect((await control(emulator, 'POST', 'other')).status).toBe(404)
    expect(emulator.counts().unknown).toBe(0)
  })
})
