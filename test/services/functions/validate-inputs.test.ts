import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ env: { VALIDATE_INPUTS: 'on' } })
})
afterAll(() => gateway.close())
beforeEach(() => gateway.emulator.resetCounts())

const DOORS = ['/run', '/tasks', '/v3/users/me/tasks']

function create(door: string, body: object) {
  return send(`${gateway.url}${door}`, { body: { type: 'serverless', ...body } })
}

test.each(DOORS)('with VALIDATE_INPUTS=on, %s checks the inputs of a plain package', async (door) => {
  const answer = await create(door, runOf('typed', { text: 1, extra: 2 }))
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([
    { path: '/inputValues/text', message: 'must be string' },
    { path: '/inputValues/extra', message: 'is not known' },
  ])
  expect(gateway.emulator.counts().create).toBe(0)
})

test.each(DOORS)('%s with inputs that fit goes upstream as it came', async (door) => {
  const answer = await create(door, runOf('typed', { text: 'x' }))
  expect(answer.status).toBeLessThan(300)
  const sent = JSON.parse(gateway.emulator.requests('create')[0]!.body.toString())
  expect(sent).toMatchObject({ packageVersion: 'latest', inputValues: { text: 'x' } })
})

test('inputs left out are no inputs', async () => {
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

test('the registry being away does not stop a plain run', async () => {
  const own = await startTestGateway({ env: { VALIDATE_INPUTS: 'on' } })
  try {
    own.emulator.misbehave('package-info', { kind: 'status', status: 500 }, Number.POSITIVE_INFINITY)
    const answer = await send(`${own.url}/tasks`, { body: runOf('typed', { text: 1 }) })
    expect(answer.status).toBe(202)
  } finally {
    await own.close()
  }
})

test('off, which is the default, nothing is looked at', async () => {
  const own = await startTestGateway()
  try {
    const answer = await send(`${own.url}/tasks`, { body: runOf('typed', { text: 1 }) })
    expect(answer.status).toBe(202)
    expect(own.emulator.counts()['package-info']).toBe(0)
  } finally {
    await own.close()
  }
})
