import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ env: { VALIDATE_INPUTS: 'on' } })
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())

const CREATE_ROUTES = ['/run', '/tasks', '/v3/users/me/tasks']

function create(path: string, body: object) {
  return send(`${gateway.url}${path}`, { body: { type: 'serverless', ...body } })
}

test.each(CREATE_ROUTES)('with VALIDATE_INPUTS=on, %s checks the inputs of a plain package', async (path) => {
  const answer = await create(path, runOf('typed', { text: 1, extra: 2 }))
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([
    { path: '/inputValues/text', message: 'must be string' },
    { path: '/inputValues/extra', message: 'is not known' },
  ])
  expect(gateway.emulator.counts().create).toBe(0)
})

test.each(CREATE_ROUTES)('%s with valid inputs goes upstream unchanged', async (path) => {
  const answer = await create(path, runOf('typed', { text: 'x' }))
  expect(answer.status).toBeLessThan(300)
  const sent = JSON.parse(gateway.emulator.requests('create')[0]!.body.toString())
  expect(sent).toMatchObject({ packageVersion: 'latest', inputValues: { text: 'x' } })
})

test('omitted inputs are an empty object', async () => {
  const { inputValues: _, ...body } = runOf('typed')
  const answer = await create('/run', body)
  expect(answer.json.errors).toEqual([{ path: '/inputValues/text', message: 'is required' }])
})

test('an input named twice is refused', async () => {
  const body =
    '{"packageName":"@emulator/basics","packageVersion":"latest","blockName":"echo","inputValues":{"value":1,"value":2}}'
  const answer = await send(`${gateway.url}/run`, { body, headers: { 'content-type': 'application/json' } })
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([
    { path: '/inputValues', message: 'names an input twice, or has too many' },
  ])
})

test('an unavailable registry does not stop a direct run', async () => {
  const own = await startTestGateway({ env: { VALIDATE_INPUTS: 'on' } })
  try {
    own.emulator.misbehave('package-info', { kind: 'status', status: 500 }, Number.POSITIVE_INFINITY)
    const answer = await send(`${own.url}/tasks`, { body: runOf('typed', { text: 1 }) })
    expect(answer.status).toBe(202)
  } finally {
    await own.close()
  }
})

test('off, the default, validates nothing', async () => {
  const own = await startTestGateway()
  try {
    const answer = await send(`${own.url}/tasks`, { body: runOf('typed', { text: 1 }) })
    expect(answer.status).toBe(202)
    expect(own.emulator.counts()['package-info']).toBe(0)
  } finally {
    await own.close()
  }
})
