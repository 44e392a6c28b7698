import { expect, test } from 'vitest'
import { parseForeignObject } from '../../src/domain/json.ts'
import { type TaskState, toSuccessBody, toTaskState } from '../../src/domain/task.ts'

const stateOf = (text: string) => toTaskState(parseForeignObject(Buffer.from(text)))

test.each<[string, TaskState]>([
  ['{"status":"queued","progress":0}', { kind: 'running', status: 'queued', progress: 0 }],
  ['{"status":"running","progress":0.5}', { kind: 'running', status: 'running', progress: 0.5 }],
  ['{"status":"brand-new"}', { kind: 'running', status: 'brand-new', progress: 0 }],
  ['{"status":"running","progress":"50"}', { kind: 'running', status: 'running', progress: 0 }],
  ['{"status":"running","progress":1e400}', { kind: 'running', status: 'running', progress: 0 }],
  ['{"status":"SUCCESS","progress":1}', { kind: 'running', status: 'SUCCESS', progress: 1 }],
  ['{"status":"failed","error":"no paper"}', { kind: 'failed', message: 'no paper', quota: false }],
  ['{"status":"failed","error":{"message":"deep"}}', { kind: 'failed', message: 'deep', quota: false }],
  ['{"status":"failed","error":null}', { kind: 'failed', message: 'The task failed.', quota: false }],
  ['{"status":"failed"}', { kind: 'failed', message: 'The task failed.', quota: false }],
  [
    '{"status":"failed","error":"Quota exceeded"}',
    { kind: 'failed', message: 'Quota exceeded', quota: true },
  ],
  ['{"status":"failed","error":"点数不够"}', { kind: 'failed', message: '点数不够', quota: true }],
])('%s', (text, state) => {
  expect(stateOf(text)).toEqual(state)
})

test.each(['{}', '{"status":7}', '{"status":""}', '{"status":null}', '{"state":"success"}'])(
  '%s has no state',
  (text) => {
    expect(stateOf(text)).toBeUndefined()
  },
)

test.each([
  [
    '{"status":"success","resultURL":"https://x","resultData":[{"n":1e400}]}',
    ',"resultURL":"https://x","resultData":[{"n":1e400}]',
  ],
  [
    '{"resultData":{"a":9007199254740993},"status":"success"}',
    ',"resultURL":null,"resultData":{"a":9007199254740993}',
  ],
  ['{"status":"success","resultURL":null}', ',"resultURL":null'],
  ['{"status":"success","resultData":null}', ',"resultURL":null,"resultData":null'],
])('the answer to %s holds its bytes', (text, rest) => {
  const state = stateOf(text)
  if (state?.kind !== 'success') throw new Error('no success')
  expect(toSuccessBody('t-1', state).toString()).toBe(`{"taskID":"t-1","status":"success"${rest}}`)
})
