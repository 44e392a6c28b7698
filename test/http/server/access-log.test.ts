import { afterAll, beforeEach, expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { type Answer, runOf, sendExactly, sendRaw } from '../../support/http.ts'
import { toPath } from '../../support/routes.ts'
import { until } from '../../support/within.ts'

const SECRETS = {
  key: 'key-canary-1aaaaaaaaaaa',
  token: 'token-canary-2aaaaaaaaa',
  cookie: 'cookie-canary-3aaaaaaa',
  other: 'other-canary-4aaaaaaaa',
}
const env = {
  OOMOL_API_KEY: SECRETS.key,
  GATEWAY_TOKENS: `billing:${SECRETS.token}`,
  COOKIE_MODE: 'on',
  LOG_LEVEL: 'trace',
}
const gateway = await startTestGateway({
  env,
  emulator: { keys: [SECRETS.key], cookies: [SECRETS.cookie] },
  deadlines: { readMs: 300, createMs: 300 },
})
const { emulator, logs } = gateway
beforeEach(() => {
  logs.length = 0
  emulator.resetCounts()
})
afterAll(() => gateway.close())

const bearer = `authorization: Bearer ${SECRETS.token}`
const ask = (target: string, options: { method?: string; headers?: string[]; body?: string } = {}) =>
  sendExactly(gateway.url, target, { token: null, ...options, headers: [bearer, ...(options.headers ?? [])] })
const runBody = (blockName: string, values = {}) =>
  JSON.stringify({ type: 'serverless', ...runOf(blockName, values) })
const post = (target: string, body: string, headers: string[] = []) =>
  ask(target, { method: 'POST', body, headers: ['content-type: application/json', ...headers] })

test('a run writes one line with its caller and what it took', async () => {
  const answer = await post('/run?wait=5', runBody('echo'), ['x-request-id: line-1'])
  expect(answer.status).toBe(200)
  await until(() => logs.length > 0, 'there is no line')
  expect(logs).toEqual([
    {
      level: 30,
      time: expect.any(Number),
      pid: expect.any(Number),
      hostname: expect.any(String),
      reqId: 'line-1',
      msg: 'request',
      method: 'POST',
      route: '/run',
      status: 200,
      ms: expect.any(Number),
      caller: 'billing',
      taskID: answer.json.taskID,
      upstreamStatus: 200,
      upstreamMs: expect.any(Number),
    },
  ])
})

test.each([
  ['GET', '/livez', 'public', '/livez', 200],
  ['GET', '/tasks?size=5', 'billing', '/tasks', 200],
  ['GET', '/tasks/unknown-task/logs', 'billing', '/tasks/:taskID/logs', 404],
  ['GET', '/nowhere', 'public', 'none', 404],
  ['DELETE', '/tasks', 'public', '/tasks', 405],
  ['HEAD', '/queue', 'billing', '/queue', 200],
])('%s %s writes one line', async (method, target, caller, route, status) => {
  await ask(target, { method })
  await until(() => logs.length > 0, 'there is no line')
  const line = { msg: 'request', method, route, status, ...(caller === 'public' ? {} : { caller }) }
  expect(logs).toEqual([expect.objectContaining(line)])
})

test('no secret, query, path or body is in any line or answer', async () => {
  const { other, cookie } = SECRETS
  const answers: Answer[] = []
  let sent = 0
  const note = async (asking: Promise<Answer>) => {
    sent += 1
    answers.push(await asking)
  }
  for (const { method, url } of gateway.gateway.routes.filter(({ scope }) => scope !== undefined)) {
    const path = toPath(url)
    await note(ask(path, { method }))
    await note(ask(`${path}?unknown=${other}&token=${SECRETS.token}`, { method }))
    await note(sendExactly(gateway.url, path, { method, token: other }))
    await note(
      sendExactly(gateway.url, path, { method, token: null, headers: [`cookie: oomol-token=${cookie}`] }),
    )
    await note(
      sendExactly(gateway.url, path, { method, token: null, headers: [`cookie: oomol-token=${other}`] }),
    )
    await note(ask(path, { method, headers: [`authorization: ${other}`, `x-${other}: ${other}`] }))
  }
  await note(ask(`/${other}/${other}`))
  await note(ask(`/tasks/${other}%2f..`))
  await note(ask(`/%zz${other}`))
  await note(ask(`/-/oomol/package-info/%40${other}/${other}`))
  for (const route of ['/run', '/tasks', '/v3/users/me/tasks']) {
    await note(post(route, `{"${other}":`))
    await note(post(route, `{"packageName":"${other} ","blockName":7,"unknown":"${other}"}`))
    await note(post(route, runBody('fail', { message: 'no paper', secret: other })))
    await note(post(route, runBody('echo'), [`x-request-id: ${other} ${other}`, `prefer: ${other}`]))
    for (const kind of [
      'html',
      'truncated-json',
      'invalid-json',
      'gzip',
      'hang',
      'no-answer-close',
    ] as const) {
      emulator.misbehave('create', { kind })
      await note(post(route, runBody('echo', { value: other })))
      // So that the next create is tried at all.
      await note(post(route, runBody('echo')))
    }
    emulator.misbehave('create', { kind: 'redirect', location: `http://127.0.0.1:9/${other}` })
    await note(post(route, runBody('echo')))
    for (const status of [401, 403, 500, 503]) {
      const headers = { 'x-leak': other, 'set-cookie': other }
      emulator.misbehave('create', { kind: 'status', status, headers, body: `{"message":"${other}"}` })
      await note(post(route, runBody('echo')))
    }
  }
  await sendRaw(gateway.url, `GET /${other} HTTP/9.9\r\n\r\n`)
  await until(() => logs.filter(({ msg }) => msg === 'request').length >= sent, 'lines are missing')
  expect(logs.filter(({ msg }) => msg === 'request')).toHaveLength(sent)
  expect(logs).toHaveLength(sent)
  const isLeak = (text: string) => /canary|127\.0\.0\.1|node_modules/.test(text)
  expect(logs.filter((line) => isLeak(JSON.stringify(line)))).toEqual([])
  // A result holds what its caller sent, a file's answer its address; nothing else does.
  const leaks = answers.filter(({ text, headers, json, status }) => {
    const said = text + JSON.stringify(headers)
    return json?.resultData === undefined && (status < 300 ? /canary/.test(said) : isLeak(said))
  })
  expect(leaks).toEqual([])
})
