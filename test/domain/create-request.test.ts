import { expect, test } from 'vitest'
import { CreateRequestError, toCreateRequest } from '../../src/domain/create-request.ts'

test.each([
  [undefined, ''],
  ['{}', ',"inputValues":{}'],
  ['{ "a" : 1e400 }', ',"inputValues":{ "a" : 1e400 }'],
])('inputs %s go into the body as they are', (inputs, rest) => {
  const names = { packageName: '@a/b', packageVersion: '1.0.0', blockName: 'say "hi" é' }
  const { body } = toCreateRequest({
    ...names,
    inputValues: inputs === undefined ? undefined : Buffer.from(inputs),
  })
  const head =
    '{"type":"serverless","packageName":"@a/b","packageVersion":"1.0.0","blockName":"say \\"hi\\" é"'
  expect(body.toString()).toBe(`${head}${rest}}`)
})

test('a body that is given goes upstream as it is', () => {
  const names = { packageName: '@a/b', packageVersion: '1.0.0', blockName: 'read' }
  const body = Buffer.from('{ "anything": 1 }')
  expect(toCreateRequest({ ...names, inputValues: undefined, body }).body).toBe(body)
})

test('a create whose names are no names can not be made', () => {
  const make = () =>
    toCreateRequest({ packageName: '../a', packageVersion: '^1', blockName: 'a/b', inputValues: undefined })
  expect(make).toThrow(CreateRequestError)
  const paths = ['/packageName', '/packageVersion', '/blockName']
  expect(make).toThrow(
    expect.objectContaining({ issues: paths.map((path) => expect.objectContaining({ path })) }),
  )
})
