import { describe, expect, it } from 'vitest'
import { arrayElements, lastMemberBytes } from '../../src/domain/json.ts'

const texts = (json: string) => arrayElements(Buffer.from(json)).map(String)

describe('the elements of an array', () => {
  it.each([
    ['[]', []],
    [' [ \n ] ', []],
    ['[1]', ['1']],
    ['[ 1 ,\t"a,]" , {"b": [1, 2]} ,[ ],null]', ['1', '"a,]"', '{"b": [1, 2]}', '[ ]', 'null']],
    ['["\\\\",  "\\"]", 9007199254740993, 1e400]', ['"\\\\"', '"\\"]"', '9007199254740993', '1e400']],
    ['[[[1],[2]],[3]]', ['[[1],[2]]', '[3]']],
    ['["ü,🚀"]', ['"ü,🚀"']],
  ])('%s', (json, expected) => {
    expect(texts(json)).toEqual(expected)
    expect(texts(json).length).toBe(JSON.parse(json).length)
  })

  it('are those that parsing finds, in any text', () => {
    const value = (depth: number, seed: number): unknown => {
      if (depth === 0) return ['"[', '],', '{}', '\\'][seed % 4]
      return seed % 2 === 0
        ? Array.from({ length: seed % 5 }, (_, at) => value(depth - 1, seed + at))
        : { [`k${seed},`]: value(depth - 1, seed + 1), '"]': value(depth - 1, seed + 3) }
    }
    for (let seed = 0; seed < 200; seed++) {
      const array = Array.from({ length: seed % 7 }, (_, at) => value(3, seed + at))
      const elements = texts(JSON.stringify(array, null, seed % 3))
      expect(elements.map((text) => JSON.parse(text))).toEqual(array)
    }
  })
})

describe('the last member of a name', () => {
  const member = (json: string) => lastMemberBytes(Buffer.from(json), 'tasks')?.toString()

  it('is the one that parsing keeps', () => {
    expect(member('{"tasks":[1],"x":{"tasks":[2]},"tasks" : [ 3 ] }')).toBe('[ 3 ]')
    expect(member('{"t\\u0061sks":[1]}')).toBe('[1]')
    expect(member('{"x":{"tasks":[2]}}')).toBeUndefined()
  })
})
