import { expect, test } from 'vitest'
import { toIssues } from '../../src/domain/issue.ts'

const error = (keyword: string, instancePath = '/a', message?: string) => ({ keyword, instancePath, message })

test('the errors of a validator become issues, without those that say nothing', () => {
  const errors = [
    error('type', '/a', 'must be string'),
    error('boolean', '/b', 'schema is false'),
    error('additionalProperties', '', 'must not have additional properties'),
    error('custom', '/c'),
  ]
  expect(toIssues(errors)).toEqual([
    { path: '/a', message: 'must be string' },
    { path: '/b', message: 'is not a known name' },
    { path: '/c', message: 'is invalid' },
  ])
})

test('their number and the length of their paths are bounded', () => {
  const issues = toIssues(Array.from({ length: 1_000 }, () => error('type', `/${'x'.repeat(1_000)}`, 'no')))
  expect(issues).toHaveLength(20)
  expect(issues[0]?.path).toHaveLength(200)
})
