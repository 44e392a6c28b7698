import { describe, expect, test } from 'vitest'
import { JsonError, memberBytes, parseForeignObject, parseJsonObject } from '../../src/domain/json.ts'

const parse = (text: string) => parseJsonObject(Buffer.from(text))
const membersOf = (text: string) => parse(text).members.map(({ name, bytes }) => [name, bytes.toString()])

describe('members', () => {
  test.each([
    ['{}', []],
    [' { } ', []],
    ['{"a":1}', [['a', '1']]],
    [
      '{"a" :\t1 ,\r\n"b": [1, 2 ] }',
      [
        ['a', '1'],
        ['b', '[1, 2 ]'],
      ],
    ],
    [
      '{"a":{"b":{"c":[{}]}},"d":null}',
      [
        ['a', '{"b":{"c":[{}]}}'],
        ['d', 'null'],
      ],
    ],
    [
      '{"a":"}","b":"\\"{,:","c":"\\\\"}',
      [
        ['a', '"}"'],
        ['b', '"\\"{,:"'],
        ['c', '"\\\\"'],
      ],
    ],
    [
      '{"":0,"\\u0061":1,"é":2}',
      [
        ['', '0'],
        ['a', '1'],
        ['é', '2'],
      ],
    ],
    [
      '{"a":1e400,"b":-0.0,"c":9007199254740993}',
      [
        ['a', '1e400'],
        ['b', '-0.0'],
        ['c', '9007199254740993'],
      ],
    ],
    [
      '{"a":"x:y","b":":"}',
      [
        ['a', '"x:y"'],
        ['b', '":"'],
      ],
    ],
    [
      '{"constructor":1,"toString":2}',
      [
        ['constructor', '1'],
        ['toString', '2'],
      ],
    ],
  ])('of %s', (text, expected) => {
    expect(membersOf(text)).toEqual(expected)
  })

  test('agree with JSON.parse for any text', () => {
    const values = [
      '1',
      '"a,b"',
      '[]',
      '{}',
      '[{"a":[1,"]"]}]',
      '{"a":{"b":"}"}}',
      '"\\\\\\""',
      'true',
      ' null ',
    ]
    for (const first of values) {
      for (const second of values) {
        const text = `{"a" : ${first},"b":${second} }`
        const object = parse(text)
        const again = Object.fromEntries(
          object.members.map(({ name, bytes }) => [name, JSON.parse(bytes.toString())]),
        )
        expect(again).toEqual(JSON.parse(text))
      }
    }
  })

  test('that are not there are undefined', () => {
    expect(memberBytes(parse('{"a":{"b":1}}'), 'b')).toBeUndefined()
  })
})

test.each([
  '',
  ' ',
  '{',
  '}',
  '[]',
  'null',
  '1',
  '"a"',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{,}',
  '{"a":1}{}',
  "{'a':1}",
  '{"a":"\n"}',
  '{"a":01}',
  '{"a":.5}',
  '{"a":+1}',
  '{a:1}',
  '/**/{}',
  '\ufeff{}',
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":2}',
  '{"__proto__":1}',
  '{"a":[{"__proto__":1}]}',
  '{"\\u005f\\u005fproto\\u005F_":1}',
  '{"__proto__"\n :1}',
])('%j is refused', (text) => {
  expect(() => parse(text)).toThrow(JsonError)
})

test.each(['{"a":"__proto__"}', '{"a":"\\"__proto__\\":"}', '{"proto":1}', '{"a":{"b":1,"b":2}}'])(
  '%s is taken',
  (text) => {
    expect(parse(text).bytes.toString()).toBe(text)
  },
)

test('a deep text is refused before anything recursive reads it', () => {
  const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
  expect(() => parse(deep(101))).toThrow('deeper')
  expect(() => parse('['.repeat(1_000_000))).toThrow('deeper')
  expect(parse(deep(100)).members).toHaveLength(1)
  expect(parse(`{"a":"${'['.repeat(1000)}"}`).members).toHaveLength(1)
})

test('a text with too many members is refused before it is parsed', () => {
  const wide = (count: number) => `{${Array.from({ length: count }, (_, at) => `"m${at}":1`).join()}}`
  expect(() => parse(wide(10_001))).toThrow('members')
  expect(parse(wide(10_000)).members).toHaveLength(10_000)
  expect(parse(`{"a":[${'1,'.repeat(20_000)}1]}`).members).toHaveLength(1)
})

test.each([[[0x80]], [[0xc0, 0xaf]], [[0xed, 0xa0, 0x80]], [[0xf5, 0x80, 0x80, 0x80]], [[0xff]]])(
  'bytes %j are no UTF-8',
  (bytes) => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])
    expect(() => parseJsonObject(body)).toThrow('UTF-8')
    expect(() => parseForeignObject(body)).toThrow('UTF-8')
  },
)

test('an answer that is passed on may be deep, have any name, and repeat a name: the last counts', () => {
  const text = `{"a":1,"a":2,"__proto__":3,"b":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  const object = parseForeignObject(Buffer.from(text))
  expect(memberBytes(object, 'a')?.toString()).toBe('2')
  expect(object.value.a).toBe(2)
  expect(() => parseForeignObject(Buffer.from('[1]'))).toThrow(JsonError)
})
