import { expect, test } from 'vitest'
import { type BlockSchema, toPackageSchemas } from '../../src/domain/block-schema.ts'
import { findInputIssues } from '../../src/domain/input-check.ts'
import { parseJsonObject } from '../../src/domain/json.ts'
import { toStandaloneSchema } from '../../src/domain/json-schema.ts'
import { isStorageWidget } from '../../src/domain/validatable-schema.ts'

/** CPU time of this process, in milliseconds: what a busy machine does not change. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function blockOf(...inputHandleDefs: unknown[]): BlockSchema {
  const blocks = [{ blockName: 'b', inputHandleDefs }]
  const found = toPackageSchemas({ packageName: 'p', packageVersion: '1.0.0', blocks })
  return found!.blocks.get('b')!
}

function check(block: BlockSchema, inputs: unknown): { path: string; message: string }[] {
  return findInputIssues(block, parseJsonObject(Buffer.from(JSON.stringify(inputs))), new Set())
}

/** Whether a value passes as an input of that schema. */
function takes(json_schema: unknown, value: unknown): boolean {
  return check(blockOf({ handle: 'x', json_schema }), { x: value }).length === 0
}

test.each([
  [{ handle: 'x' }, true],
  [{ handle: 'x', value: null }, true],
  [{ handle: 'x', nullable: true }, true],
  [{ handle: 'x', nullable: true, value: null }, false],
  [{ handle: 'x', nullable: false, value: null }, true],
  [{ handle: 'x', value: 0 }, false],
  [{ handle: 'x', value: false }, false],
  [{ handle: 'x', json_schema: { default: null } }, false],
  [{ handle: 'x', json_schema: { type: 'string' } }, true],
])('%j is required: %s', (handle, required) => {
  expect(blockOf(handle).inputs.get('x')?.required).toBe(required)
  expect(check(blockOf(handle), {}).map(({ message }) => message)).toEqual(required ? ['is required'] : [])
})

test.each([
  [{ type: 'string' }, { type: ['string', 'null'] }],
  [{ type: ['string', 'number'] }, { anyOf: [{ type: ['string', 'number'] }, { type: 'null' }] }],
  [
    { enum: ['a'], default: 'a' },
    { anyOf: [{ enum: ['a'] }, { type: 'null' }], default: 'a' },
  ],
  [{ type: 'null' }, { type: 'null' }],
  [undefined, true],
  [false, { type: 'null' }],
])('nullable: %j is shown as %j', (json_schema, shown) => {
  const block = blockOf({ handle: 'x', nullable: true, value: null, json_schema })
  expect(block.inputs.get('x')?.schema).toEqual(shown)
  expect(check(block, { x: null })).toEqual([])
})

test.each([
  undefined,
  null,
  3,
  'text',
  [],
  {},
  { packageName: 'p' },
  { packageName: '../p', packageVersion: '1.0.0' },
])('%j is not a package', (info) => {
  expect(toPackageSchemas(info)).toBeUndefined()
})

test('malformed parts of a package accept any value, or are dropped', () => {
  const blocks = [null, 'b', { blockName: 3 }, { blockName: 'a/b' }, { blockName: 'ok', inputHandleDefs: {} }]
  const found = toPackageSchemas({ packageName: 'p', packageVersion: '1.0.0', blocks })
  expect([...found!.blocks.keys()]).toEqual(['ok'])
  const odd = blockOf(
    null,
    { handle: 5 },
    { handle: 'x', json_schema: 'text' },
    { handle: 'y', json_schema: [] },
  )
  expect(check(odd, { x: 1, y: [2] })).toEqual([])
})

test('names from prototypes are ordinary names', () => {
  const block = blockOf({ handle: 'constructor', json_schema: { type: 'string' } }, { handle: 'toString' })
  expect(check(block, {})).toHaveLength(2)
  expect(check(block, { constructor: 'x', toString: 1 })).toEqual([])
  expect(check(blockOf(), { valueOf: 1 })).toEqual([{ path: '/valueOf', message: 'is not known' }])
})

test("OOMOL's own keys and unknown ones are ignored", () => {
  const schema = {
    type: 'string',
    contentMediaType: 'oomol/image',
    'ui:widget': 'file',
    foo: { type: 'number' },
  }
  expect(takes(schema, 'anything')).toBe(true)
  expect(takes(schema, 3)).toBe(false)
})

test.each([
  ['dir', true],
  ['save', true],
  ['save-path', true],
  ['savePath', true],
  ['selectDir', true],
  ['file::save', true],
  ['direction', false],
  ['redirect', false],
  ['saver', false],
  ['file', false],
  [3, false],
])('the widget %s is one of the storage: %s', (widget, expected) => {
  expect(isStorageWidget(widget)).toBe(expected)
})

test.each([
  ['/oomol-driver/oomol-storage/', true],
  ['/oomol-driver/oomol-storage/a/..b/c..', true],
  ['/oomol-driver/oomol-storage', false],
  ['/oomol-driver/oomol-storage/..', false],
  ['/oomol-driver/oomol-storage/a/../../b', false],
  ['/oomol-driver/oomol-storage/a/..', false],
  ['/oomol-driver/oomol-storage/\n/../b', false],
  ['x/oomol-driver/oomol-storage/a', false],
  [`/oomol-driver/oomol-storage/${'/.'.repeat(500_000)}`, true],
])('the storage path %.60s passes: %s', (path, expected) => {
  const started = cpuMs()
  expect(takes({ type: 'string', 'ui:widget': 'dir' }, path)).toBe(expected)
  expect(takes({ type: 'array', items: { 'ui:widget': 'save' } }, [path])).toBe(expected)
  expect(cpuMs() - started).toBeLessThan(1_000)
})

test.each([
  // A weaker part must not make a `not` or a `oneOf` stricter.
  [{ not: { pattern: '^a' } }, 'b'],
  [{ not: { type: 'string', format: 'uri' } }, 'b'],
  [
    {
      oneOf: [
        { type: 'string', pattern: '^a' },
        { type: 'string', pattern: '^b' },
      ],
    },
    'b',
  ],
  [{ type: 'object', patternProperties: { '^x': {} }, additionalProperties: false }, { x1: 1 }],
  [JSON.parse('{"if":{"pattern":"a"},"then":false}'), 'b'],
  [{ type: 'array', contains: { pattern: 'a' }, maxContains: 0 }, ['b']],
  [{ unevaluatedProperties: false }, { a: 1 }],
  [{ type: 'nonsense' }, 3],
  [{ type: [] }, 3],
  [{ minimum: 'x', required: 'abc', enum: 5, properties: 'x', items: 3 }, 3],
  [{ '~refine': [{ check: 1 }], '~kind': 'String' }, 3],
  [{ $ref: 'https://schemas.example/a.json' }, 3],
  [{ $ref: '#/$defs/missing' }, 3],
  [{ $ref: '#' }, 3],
  [{ allOf: [{ $ref: '#' }], $dynamicRef: '#a' }, 3],
])('%j accepts %j', (schema, value) => {
  expect(takes(schema, value)).toBe(true)
})

test('references inside a schema are followed, circular ones once', () => {
  const tree = {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { value: { $ref: '#/definitions/a~1b%20c' }, next: { $ref: '#/$defs/node' } },
        required: ['value'],
      },
    },
    definitions: { 'a/b c': { type: 'integer' } },
  }
  expect(takes(tree, { value: 1, next: 'anything' })).toBe(true)
  expect(takes(tree, { value: 'x' })).toBe(false)
  expect(takes(tree, {})).toBe(false)
  expect(JSON.stringify(toStandaloneSchema(tree, { nodes: 100 }))).not.toMatch(/\$ref|\$defs|definitions/)
})

test('schemas that grow beyond the bounds accept any value', () => {
  const bomb: Record<string, unknown> = { a0: { type: 'string' } }
  for (let nth = 1; nth < 40; nth++) {
    bomb[`a${nth}`] = { allOf: [{ $ref: `#/$defs/a${nth - 1}` }, { $ref: `#/$defs/a${nth - 1}` }] }
  }
  let deep: unknown = { type: 'string' }
  for (let nth = 0; nth < 5_000; nth++) deep = { items: deep }
  const wide = { anyOf: Array.from({ length: 100_000 }, () => ({ type: 'string' })) }
  const started = cpuMs()
  for (const schema of [{ $ref: '#/$defs/a39', $defs: bomb }, deep, wide]) {
    expect(toStandaloneSchema(schema, { nodes: 1e6 })).toBe(true)
    expect(takes(schema, 3)).toBe(true)
  }
  expect(cpuMs() - started).toBeLessThan(1_000)
})

test('a small package that unfolds into a large one keeps the schemas within its budget', () => {
  const unfolding = {
    $ref: '#/$defs/a7',
    $defs: Object.fromEntries(
      Array.from({ length: 8 }, (_, nth) => [
        `a${nth}`,
        nth === 0
          ? { type: 'string' }
          : { allOf: [`a${nth - 1}`, `a${nth - 1}`].map((name) => ({ $ref: `#/$defs/${name}` })) },
      ]),
    ),
  }
  const handles = Array.from({ length: 200 }, (_, nth) => ({ handle: `h${nth}`, json_schema: unfolding }))
  const blocks = [{ blockName: 'b', inputHandleDefs: handles }]
  const found = toPackageSchemas({ packageName: 'p', packageVersion: '1.0.0', blocks })!
  expect(found.nodes).toBe(50_000)
  const inputs = Object.fromEntries(handles.map(({ handle }) => [handle, 3]))
  const wrong = new Set(check(found.blocks.get('b')!, inputs).map(({ path }) => path))
  expect(wrong).toContain('/h0')
  expect(wrong).not.toContain('/h199')
})

test('a slow regular expression is ignored', () => {
  const started = cpuMs()
  expect(takes({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(50_000)}!`)).toBe(true)
  expect(cpuMs() - started).toBeLessThan(500)
})

test.each([
  ['many wrong items', { type: 'array', items: { type: 'string' } }, Array(700_000).fill(1), false],
  ['many right items', { type: 'array', items: { type: 'integer' } }, Array(700_000).fill(1), true],
  ['many equal items', { type: 'array', uniqueItems: true }, Array(700_000).fill(1), true],
  [
    'many alternatives',
    { items: { anyOf: Array(400).fill({ type: 'string' }) } },
    Array(100_000).fill(1),
    true,
  ],
  [
    'many values',
    { items: { enum: Array.from({ length: 5_000 }, (_, n) => `v${n}`) } },
    Array(50_000).fill(1),
    true,
  ],
])('%s are validated in bounded time', (_, schema, value, expected) => {
  const block = blockOf({ handle: 'x', json_schema: schema }, { handle: 'y', json_schema: schema })
  const inputs = parseJsonObject(Buffer.from(JSON.stringify({ x: value, y: value })))
  const started = cpuMs()
  const issues = findInputIssues(block, inputs, new Set())
  expect(cpuMs() - started).toBeLessThan(1_500)
  if (expected) expect(issues).toEqual([])
})

test('beyond the budget the outermost level is still validated', () => {
  const schema = { type: 'array', maxItems: 10, items: { type: 'string' } }
  const block = blockOf({ handle: 'x', json_schema: schema })
  expect(check(block, { x: Array(600_000).fill(1) })).toEqual([
    { path: '/x', message: 'is not as its schema says' },
  ])
})

test('the number of issues is bounded', () => {
  const inputs = Object.fromEntries(Array.from({ length: 10_000 }, (_, nth) => [`k${nth}`, 1]))
  expect(check(blockOf(), inputs)).toHaveLength(50)
})
