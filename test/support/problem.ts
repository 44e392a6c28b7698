import { expect } from 'vitest'
import type { Answer } from './http.ts'

/** Asserts the one shape that every error answer has, and gives its body. */
export function expectProblem(answer: Answer, status: number, code: string): Record<string, unknown> {
  expect({ status: answer.status, code: answer.json?.code }).toEqual({ status, code })
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json(; charset=utf-8)?$/)
  expect(answer.json).toMatchObject({
    type: `urn:oomol-gateway:${code}`,
    title: expect.any(String),
    status,
    message: answer.json.detail,
    requestId: expect.stringMatching(/^[\w.:-]{1,64}$/),
    retryable: expect.any(Boolean),
  })
  expect(answer.json.detail).not.toBe('')
  return answer.json
}

/** Asserts that nothing at all has reached upstream since the counts were reset. */
export function expectNothingUpstream(counts: Record<string, number>): void {
  expect(Object.entries(counts).filter(([, count]) => count > 0)).toEqual([])
}
