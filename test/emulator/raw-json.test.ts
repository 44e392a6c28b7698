import { describe, expect, it } from 'vitest'
import { rawMembers, toByteText, toJson, withRawMember } from '../../src/emulator/raw-json.ts'

describe('raw JSON', () => {
  it('cuts members out as they are', () => {
    const text = ' { "a" : 1.50 , "b":{"c":[1,{"d":"}]"}]} ,"e":"x\\"}," , "f" : [ ] ,"g":true} '
    expect([...rawMembers(text)]).toEqual([
      ['a', '1.50'],
      ['b', '{"c":[1,{"d":"}]"}]}'],
      ['e', '"x\\"},"'],
      ['f', '[ ]'],
      ['g', 'true'],
    ])
  })

  it('keeps numbers that parsing would change', () => {
    const members = rawMembers('{"big":9007199254740993,"huge":1e400,"zero":-0.0}')
    expect([...members.values()]).toEqual(['9007199254740993', '1e400', '-0.0'])
  })

  it('reads names with escapes and characters of more than one byte', () => {
    const members = rawMembers(toByteText(Buffer.from('{"\\u00e9":1,"ü":2,"\\\\":3,"__proto__":4}')))
    expect([...members.keys()]).toEqual(['é', 'ü', '\\', '__proto__'])
  })

  it('takes the last of two members of one name, as JSON.parse does', () => {
    expect(rawMembers('{"a":1,"a":2}').get('a')).toBe('2')
  })

  it('has no members in an empty object', () => {
    expect(rawMembers('{ }').size).toBe(0)
  })

  it('survives deep nesting', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    expect(rawMembers(`{"deep":${deep}}`).get('deep')).toBe(deep)
  })

  it('keeps bytes that are not UTF-8', () => {
    const bytes = Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d])
    expect(rawMembers(toByteText(bytes)).get('a')).toBe('"\xff\xfe"')
  })

  it('writes values of ours in bytes of UTF-8', () => {
    expect(Buffer.from(toJson({ a: 'é€' }), 'latin1').toString('utf8')).toBe('{"a":"é€"}')
    expect(withRawMember('{"a":1}', 'b', '1e400')).toBe('{"a":1,"b":1e400}')
  })
})
