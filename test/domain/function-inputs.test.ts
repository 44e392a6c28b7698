import { expect, test } from 'vitest'
import { toPackageSchemas } from '../../src/domain/block-schema.ts'
import { type FormField, mergeInputs, toFunctionInputs } from '../../src/domain/function-inputs.ts'
import { parseJsonObject } from '../../src/domain/json.ts'

const STRING = { type: 'string' }
const HANDLES = {
  text: STRING,
  note: { anyOf: [STRING, { type: 'null' }] },
  count: { type: 'integer' },
  flag: { type: 'boolean' },
  format: { enum: ['png', 'webp'] },
  level: { enum: [1, 2] },
  options: { type: 'object' },
  tags: { type: 'array', items: STRING },
  either: { type: ['string', 'number'] },
  maybe: { type: ['number', 'null'] },
  file: { type: 'string', format: 'uri' },
  files: { type: 'array', items: { type: 'string', format: 'uri' } },
  anything: undefined,
}

const BLOCK = toPackageSchemas({
  packageName: 'p',
  packageVersion: '1.0.0',
  blocks: [
    {
      blockName: 'b',
      inputHandleDefs: Object.entries(HANDLES).map(([handle, json_schema]) => ({ handle, json_schema })),
    },
  ],
})?.blocks.get('b')

function inputsOf(fields: FormField[], block = BLOCK): string {
  const made = toFunctionInputs(fields, block)
  return 'inputs' in made ? made.inputs.bytes.toString() : JSON.stringify(made.problems)
}

test.each([
  ['text', '5', '"5"'],
  ['text', ' null "', '" null \\""'],
  ['note', 'null', '"null"'],
  ['count', '9007199254740993', '9007199254740993'],
  ['count', ' 1e2 ', ' 1e2 '],
  ['flag', 'true', 'true'],
  ['format', 'png', '"png"'],
  ['level', '2', '2'],
  ['options', '{"a":[1, 2]}', '{"a":[1, 2]}'],
  ['tags', '["a"]', '["a"]'],
  ['either', '5', '"5"'],
  ['maybe', 'null', 'null'],
  ['anything', '5', '"5"'],
  ['unknown', '[1]', '"[1]"'],
])('the text field %s=%s is the input %s', (name, text, json) => {
  expect(inputsOf([{ name, text }])).toBe(`{"${name}":${json}}`)
})

test.each([
  ['count', 'three', 'must be integer, written as JSON'],
  ['count', '', 'must be integer, written as JSON'],
  ['options', '{"a":1', 'must be object, written as JSON'],
  ['maybe', '1,"text":2', 'must be number or null, written as JSON'],
])('the text field %s=%s is refused', (name, text, message) => {
  expect(toFunctionInputs([{ name, text }], BLOCK)).toEqual({ problems: [{ path: `/${name}`, message }] })
})

test('files are URLs, several of one name a list', () => {
  const fields = [
    { name: 'file', url: 'https://a.example/1' },
    { name: 'files', url: 'https://a.example/2' },
    { name: 'files', url: 'https://a.example/3' },
    { name: 'text', text: 'x' },
  ]
  expect(JSON.parse(inputsOf(fields))).toEqual({
    file: 'https://a.example/1',
    files: ['https://a.example/2', 'https://a.example/3'],
    text: 'x',
  })
  expect(inputsOf([{ name: 'files', url: 'u' }])).toBe('{"files":["u"]}')
})

test('a text under the name of another field is refused', () => {
  const problems = [{ path: '/text', message: 'appears more than once' }]
  expect(
    toFunctionInputs(
      [
        { name: 'text', text: 'a' },
        { name: 'text', text: 'b' },
      ],
      BLOCK,
    ),
  ).toEqual({ problems })
  expect(
    toFunctionInputs(
      [
        { name: 'text', text: 'a' },
        { name: 'text', url: 'b' },
      ],
      BLOCK,
    ),
  ).toEqual({ problems })
})

test('without a block every text is a string; no field is no input', () => {
  const made = toFunctionInputs([{ name: 'count', text: '5' }], undefined)
  expect('inputs' in made && made.inputs.value).toEqual({ count: '5' })
  expect(inputsOf([])).toBe('{}')
})

test('a name that poisons objects is refused', () => {
  expect(toFunctionInputs([{ name: '__proto__', text: 'x' }], BLOCK)).toHaveProperty('problems')
})

test('what is merged holds each name once, whatever its spelling', () => {
  const config = {
    name: 'f',
    packageName: 'p',
    packageVersion: '1.0.0',
    blockName: 'b',
    inputs: { 'a"b': 1, c: 2 },
    fixed: { d: 3 },
  }
  const merge = (text: string) => mergeInputs(config, parseJsonObject(Buffer.from(text))).toString()
  expect(merge('{"\\u0061\\"b": 1.0 }')).toBe('{"a\\"b":1.0,"c":2,"d":3}')
  expect(merge('{}')).toBe('{"a\\"b":1,"c":2,"d":3}')
  expect(merge('{"d":4}')).toBe('{"a\\"b":1,"c":2,"d":3}')
})
