import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

test('a run is answered with its result, byte for byte', async () => {
  const body = `{"packageName":"@emulator/basics","packageVersion":"latest","blockName":"echo","inputValues":{"value":[9007199254740993,1e400,"\\u00e9"]}}`
  const answer = await send(`${gateway.url}/run`, { body, headers: { 'content-type': 'application/json' } })
  expect(answer.status).toBe(200)
  expect(answer.headers['x-task-id']).toBe(answer.json.taskID)
  expect(answer.text).toBe(
    `{"taskID":"${answer.json.taskID}","status":"success","resultURL":null,"resultData":[{"value":[9007199254740993,1e400,"\\u00e9"]}]}`,
  )
})

test('a run that fails is 422 with the message of the task', async () => {
  const answer = await send(`${gateway.url}/run`, { body: runOf('fail', { message: 'no paper' }) })
  expect(answer.status).toBe(422)
  expect(answer.json).toMatchObject({ code: 'task_failed', message: 'no paper', retryable: false })
  expect(answer.json.taskID).toBe(answer.headers['x-task-id'])
})

test('a run that outlasts its wait is 202 with the way to its result', async () => {
  const answer = await send(`${gateway.url}/run?wait=0.3`, { body: runOf('hold') })
  expect(answer.status).toBe(202)
  expect(answer.headers).toMatchObject({
    location: `/tasks/${answer.json.taskID}/result`,
    'preference-applied': 'wait=0.3',
    'retry-after': '1',
  })
  gateway.emulator.finish(answer.json.taskID, { status: 'success', resultData: [{ done: true }] })
  const result = await send(`${gateway.url}${answer.headers.location}?wait=5`)
  expect(result.status).toBe(200)
  expect(result.json.resultData).toEqual([{ done: true }])
})
