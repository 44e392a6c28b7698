import { afterAll, expect, test } from 'vitest'
import { toRecordKey } from '../../../src/domain/idempotency.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { expectProblem } from '../../support/problem.ts'

const gateway = await startTestGateway()
afterAll(() => gateway.close())

const intent = { packageName: 'p', packageVersion: '1.0.0', blockName: 'b' }
const head = { fingerprint: 'f', startedAtMs: Date.now() }
const kept = { taskID: 't', createdAtMs: Date.now(), answer: '{}' }

test.each([
  ['no JSON', '{"state":"created"'],
  ['nothing', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['an unknown state', JSON.stringify({ ...head, state: 'creatfd' })],
  ['no fingerprint', JSON.stringify({ state: 'created', startedAtMs: 1, ...kept })],
  ['a start that is no time', JSON.stringify({ ...head, startedAtMs: '1', state: 'created', ...kept })],
  ['a task without id', JSON.stringify({ ...head, state: 'created', ...kept, taskID: undefined })],
  ['a task without answer', JSON.stringify({ ...head, state: 'created', ...kept, answer: 7 })],
  ['an intent that is none', JSON.stringify({ ...head, state: 'unknown', endedAtMs: 1, intent: 7 })],
  [
    'inputs that are no digest',
    JSON.stringify({ ...head, state: 'unknown', endedAtMs: 1, intent: { ...intent, inputs: 'x' } }),
  ],
  ['an attempt without process', JSON.stringify({ ...head, state: 'creating', attempt: 'a', intent })],
  ['an end of no kind', JSON.stringify({ ...head, state: 'ended', ...kept, end: { kind: 'won' } })],
  ['a success without URL', JSON.stringify({ ...head, state: 'ended', ...kept, end: { kind: 'success' } })],
])('a record with %s is store_unavailable, never a create, a 422 or a 500', async (name, text) => {
  const key = name.replaceAll(' ', '-')
  await gateway.store.put('idempotency', toRecordKey('app', key), text, 60_000)
  const before = gateway.emulator.counts().create
  for (const path of ['/tasks', '/run']) {
    const headers = { 'idempotency-key': key }
    const answer = await send(gateway.url + path, { body: runOf('echo', { value: 1 }), headers })
    expectProblem(answer, 503, 'store_unavailable')
  }
  expect(gateway.emulator.counts().create).toBe(before)
  expect(await gateway.store.get('idempotency', toRecordKey('app', key))).toBe(text)
})
