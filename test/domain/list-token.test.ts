import { expect, test } from 'vitest'
import { parseListToken, toListToken, toTaskMark } from '../../src/domain/list-token.ts'

const MARKS = Array.from({ length: 100 }, (_, at) => toTaskMark(`task-${at}`))

test("where nothing has to be remembered the token is upstream's own", () => {
  expect(toListToken({ upstreamToken: 't17', given: [] })).toBe('t17')
  expect(parseListToken('t17')).toEqual({ upstreamToken: 't17', given: [] })
})

test.each([
  { upstreamToken: undefined, given: MARKS.slice(0, 1) },
  { upstreamToken: 't17', given: MARKS },
  { upstreamToken: 'gw1.looks.like-ours', given: [] },
  { upstreamToken: 'ünïcode and spaces', given: MARKS.slice(0, 3) },
])('a position comes back as it went: %#', (position) => {
  expect(parseListToken(toListToken(position))).toEqual(position)
  expect(toListToken(position)).toMatch(/^[\w.-]+$/)
})

test('no more is remembered than a page has tasks, the latest', () => {
  const token = toListToken({ upstreamToken: 't', given: ['AAAAAAAA', ...MARKS] })
  expect(parseListToken(token)?.given).toEqual(MARKS)
})

test.each([
  'gw1.',
  'gw1.abc',
  'gw1.abc.dDE3',
  'gw1..dDE3',
  'gw1.AAAAAAAA.dDE3.x',
  'gw1.AAAAAAAA.dDE3=',
  'gw1.AAAAAAA!.dDE3',
])('what is not written as we write it is not a token: %s', (token) =>
  expect(parseListToken(token)).toBeUndefined(),
)

test('a token that asks to remember more than there can be is none', () => {
  const tooMany = ['AAAAAAAA', ...MARKS].join('')
  expect(parseListToken(`gw1.${tooMany}.dDE3`)).toBeUndefined()
})
