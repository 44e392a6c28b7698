import { describe, expect, it } from 'vitest'
import { ask, call, create, createBody, resultOf, sendRaw, start, TASKS } from './client.ts'

const OPTIONS = { keys: ['first-key', 'second-key'], cookies: ['first-cookie'] }

describe('who asks', () => {
  it.each([
    ['Bearer', { authorization: 'Bearer first-key' }],
    ['a bare key', { authorization: 'first-key' }],
    ['bearer in lower case', { authorization: 'bearer first-key' }],
    ['a cookie', { authorization: null, headers: { cookie: 'a=b; oomol-token=first-cookie; c=d' } }],
  ])('takes %s', async (_name, options) => {
    const emulator = await start(OPTIONS)
    expect((await ask('GET', emulator.url + TASKS, options)).status).toBe(200)
  })

  it.each([
    ['no credential', { authorization: null }],
    ['a wrong key', { authorization: 'Bearer wrong' }],
    ['a cookie as key', { authorization: 'Bearer first-cookie' }],
    ['a key as cookie', { authorization: null, headers: { cookie: 'oomol-token=first-key' } }],
    ['an empty key', { authorization: 'Bearer ' }],
    ['another cookie', { authorization: null, headers: { cookie: 'token=first-cookie' } }],
  ])('refuses %s with 401', async (_name, options) => {
    const emulator = await start(OPTIONS)
    const { status, json } = await ask('GET', emulator.url + TASKS, options)
    expect(status).toBe(401)
    expect(json).toEqual({ message: 'Unauthorized' })
  })

  it('refuses a key and a cookie together, right as they are', async () => {
    const emulator = await start(OPTIONS)
    const options = { authorization: 'first-key', headers: { cookie: 'oomol-token=first-cookie' } }
    expect(await ask('GET', emulator.url + TASKS, options)).toEqual({
      status: 400,
      json: { message: 'two credentials' },
    })
  })

  it.each([
    ['two Authorization headers', 'Authorization: first-key\r\nAuthorization: first-key'],
    ['two cookies of the name', 'Cookie: oomol-token=first-cookie; oomol-token=x'],
  ])('refuses %s', async (_name, headers) => {
    const emulator = await start(OPTIONS)
    const text = `GET ${TASKS} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n${headers}\r\n\r\n`
    const { received } = await sendRaw(emulator.url, text)
    expect(received).toMatch(/^HTTP\/1.1 400 /)
    expect(received).toContain('two credentials')
  })

  it('guards every operation', async () => {
    const emulator = await start(OPTIONS)
    const upload = '/api/tasks/files/remote-cache'
    const requests = [
      ['POST', TASKS],
      ['GET', `${TASKS}/latest?workloadIDs=a`],
      ['GET', `${TASKS}/some-id`],
      ['GET', `${TASKS}/some-id/result`],
      ['GET', `${TASKS}/some-id/logs`],
      ['GET', '/v3/users/me/dashboard'],
      ['POST', '/v3/user/pause'],
      ['POST', '/v3/user/resume'],
      ['POST', `${upload}/init`],
      ['GET', `${upload}/some-id/url`],
      ['GET', '/-/oomol/package-info/greet/latest'],
    ] as const
    for (const [method, path] of requests) {
      const { status } = await call(method, emulator.url + path, { authorization: 'wrong' })
      expect([method, path, status]).toEqual([method, path, 401])
    }
    expect(emulator.counts().unknown).toBe(0)
  })

  it('shows each identity its own tasks only', async () => {
    const emulator = await start(OPTIONS)
    const first = { authorization: 'first-key' }
    const others = [
      { authorization: 'second-key' },
      { authorization: null, headers: { cookie: 'oomol-token=first-cookie' } },
    ]
    const taskID = await create(emulator, createBody('hold'), first)
    expect((await resultOf(emulator, taskID, first)).status).toBe(200)
    for (const other of others) {
      for (const path of ['', '/result', '/logs']) {
        const reply = await ask('GET', `${emulator.url}${TASKS}/${taskID}${path}`, other)
        expect(reply).toEqual({ status: 404, json: { message: 'task not found' } })
      }
      expect((await ask('GET', emulator.url + TASKS, other)).json).toEqual({ tasks: [], nextToken: null })
    }
    expect(emulator.tasks('first-key').map((task) => task.taskID)).toEqual([taskID])
    expect(emulator.tasks('second-key')).toEqual([])
  })
})
