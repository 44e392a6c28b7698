import { expect, test } from 'vitest'
import { compareInputs, digestInputs } from '../../src/domain/input-digest.ts'

const digest = (text: string) => digestInputs(JSON.parse(text))

test.each([
  ['{"a":1,"b":[{"c":2,"d":3}]}', '{ "b": [{"d":3,"c":2}], "a": 1.0 }', 'equal'],
  ['{"a":"é"}', '{"a":"\\u00e9"}', 'equal'],
  ['{"a":9007199254740993}', '{"a":9007199254740992}', 'equal'],
  ['{}', '{}', 'equal'],
  ['{"a":1}', '{"a":2}', 'different'],
  ['{"a":1}', '{"b":1}', 'different'],
  ['{"a":1}', '{}', 'different'],
  ['{"a":[1,2]}', '{"a":[2,1]}', 'different'],
  ['{"a":{"b":1}}', '{"a":[1]}', 'different'],
  ['{"a":"1"}', '{"a":1}', 'different'],
  // Upstream may show its defaults beside what was sent.
  ['{"a":1}', '{"a":1,"b":2}', 'unclear'],
  ['{}', '{"b":2}', 'unclear'],
])('%s and %s are %s', (sent, shown, verdict) => {
  expect(compareInputs(digest(sent), digest(shown))).toBe(verdict)
})

test('an unknown side is unclear', () => {
  expect(compareInputs(digest('{}'), undefined)).toBe('unclear')
  expect(compareInputs(undefined, digest('{}'))).toBe('unclear')
})

test('inputs that are too many or too deep have no digest', () => {
  const wide = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`m${at}`, at]))
  expect(digestInputs(wide)).toBeUndefined()
  expect(digest(`{"a":${'['.repeat(300)}${']'.repeat(300)}}`)).toBeUndefined()
})

test('a digest shows neither names nor values', () => {
  expect(JSON.stringify(digest('{"secret-name":"secret-value"}'))).not.toContain('secret')
})
