import { expect, test } from 'vitest'
import { toCreateRequest } from '../../src/domain/create-request.ts'

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
