import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { within } from '../support/within.ts'
import { call, create, createBody, KEY, post, start, TASKS } from './client.ts'

const DASHBOARD = '/v3/users/me/dashboard'

describe('what is recorded', () => {
  it('is each request as it came', async () => {
    const emulator = await start()
    const body = createBody('echo', { value: 'é' })
    await call('POST', `${emulator.url}${TASKS}?a=%2F`, { body, headers: { 'X-Odd': 'Yes' } })
    const [record] = emulator.requests('create')
    expect(record).toMatchObject({
      operation: 'create',
      nth: 1,
      method: 'POST',
      path: `${TASKS}?a=%2F`,
      headers: { authorization: `Bearer ${KEY}`, 'x-odd': 'Yes' },
      bytes: Buffer.byteLength(body),
    })
    expect(record?.rawHeaders).toContain('X-Odd')
    expect(record?.body.toString()).toBe(body)
    expect(Math.abs((record?.at ?? 0) - Date.now())).toBeLessThan(5000)
  })

  it('is counted for each operation and set back on demand', async () => {
    const emulator = await start()
    await create(emulator, createBody('echo'))
    await call('GET', emulator.url + DASHBOARD)
    await call('GET', `${emulator.url}/nowhere`)
    await call('DELETE', emulator.url + TASKS)
    expect(emulator.counts()).toEqual({
      create: 1,
      list: 0,
      latest: 0,
      detail: 0,
      result: 0,
      logs: 0,
      dashboard: 1,
      pause: 0,
      resume: 0,
      'upload-init': 0,
      'upload-url': 0,
      part: 0,
      file: 0,
      'package-info': 0,
      unknown: 2,
    })
    expect(emulator.requests().map(({ operation }) => operation)).toEqual([
      'create',
      'dashboard',
      'unknown',
      'unknown',
    ])
    emulator.resetCounts()
    expect(Object.values(emulator.counts()).every((count) => count === 0)).toBe(true)
    expect(emulator.requests()).toEqual([])
    expect(emulator.tasks()).toHaveLength(1)
  })

  it.each([
    '/v3/users/me/tasks/..%2f..%2fdashboard',
    '/v3/users/me/tasks/a%00b',
    '/v3/users/me/tasks/%zz',
    '/v3/users/me/tasks/x/y',
    '/v3/users/me/tasks/',
    '/v3//users/me/tasks',
    '/v3/users/other/tasks',
    '/-/oomol/package-info/%zz/latest',
    '/-/oomol/package-info/@scope/name/latest',
    `/v3/users/me/tasks/${'a'.repeat(200)}`,
    '//evil.example/v3/users/me/tasks',
  ])('knows that %s is not a path of the service', async (path) => {
    const emulator = await start()
    const { status, text } = await call('GET', emulator.url, { headers: {} }).then(() =>
      call('GET', emulator.url + path),
    )
    expect(status).toBe(404)
    expect(JSON.parse(text)).toEqual({ message: 'not found' })
    expect(emulator.counts().unknown).toBe(2)
  })

  it('is the last ten thousand requests', async () => {
    const emulator = await start()
    const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1')
    socket.resume()
    const request = `GET /x HTTP/1.1\r\nHost: e\r\n\r\n`
    const all = emulator.arrived('unknown', 10_050)
    socket.write(request.repeat(10_050))
    await within(all, 'the requests did not arrive')
    socket.destroy()
    const numbers = emulator.requests().map(({ nth }) => nth)
    expect([numbers.length, numbers[0], numbers.at(-1)]).toEqual([10_000, 51, 10_050])
    expect(emulator.counts().unknown).toBe(10_050)
    await expect(emulator.arrived('unknown', 1)).rejects.toThrow('no longer remembered')
  })
})

describe('gates', () => {
  it('open at the next request, or at the one asked for', async () => {
    const emulator = await start()
    await call('GET', emulator.url + DASHBOARD)
    const next = emulator.arrived('dashboard')
    const third = emulator.arrived('dashboard', 3)
    expect((await emulator.arrived('dashboard', 1)).nth).toBe(1)
    await call('GET', emulator.url + DASHBOARD)
    expect((await within(next, 'the second did not arrive')).nth).toBe(2)
    await call('GET', emulator.url + DASHBOARD)
    expect((await within(third, 'the third did not arrive')).nth).toBe(3)
  })

  it('count a request by its head and open with its body', async () => {
    const emulator = await start()
    const body = createBody('echo')
    const text = post(TASKS, body)
    const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1')
    const gate = emulator.arrived('create')
    let isOpen = false
    gate.then(() => {
      isOpen = true
    })
    socket.write(text.slice(0, -10))
    while (emulator.counts().create === 0) await call('GET', emulator.url + DASHBOARD)
    expect(isOpen).toBe(false)
    socket.write(text.slice(-10))
    expect((await within(gate, 'the create did not arrive')).body.toString()).toBe(body)
    socket.destroy()
  })

  it('count a request whose client went in the middle', async () => {
    const emulator = await start()
    const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1')
    const gate = emulator.arrived('create')
    socket.write(post(TASKS, createBody('echo')).slice(0, -10))
    while (emulator.counts().create === 0) await call('GET', emulator.url + DASHBOARD)
    socket.destroy()
    await within(gate, 'the create did not arrive')
    expect(emulator.tasks()).toEqual([])
  })

  it('fail when the emulator is closed', async () => {
    const emulator = await start()
    const gate = emulator.arrived('create')
    await emulator.close()
    await expect(gate).rejects.toThrow('closed before create 1 arrived')
  })
})
