import { expect, test } from 'vitest'
import { checkStructure } from '../../scripts/structure/rules.ts'

type Tree = Record<string, string>

/** What is wrong with a tree, as `rule file: message`; dead exports aside, which most of these trees have. */
function check(tree: Tree): string[] {
  return checkAll(tree).filter((violation) => !violation.startsWith('export '))
}

function checkAll(tree: Tree): string[] {
  const violations = checkStructure(new Map(Object.entries(tree)))
  return violations.map(({ rule, file, message }) => `${rule} ${file}: ${message}`)
}

const importing = (...paths: string[]) => paths.map((path) => `import '${path}'`).join('\n')
/** Its first and its last line included; half of them are blank. */
const blockOf = (total: number, head: string, foot = '}') =>
  [head, ...Array.from({ length: total - 2 }, (_, at) => (at % 2 === 0 ? '' : '  f()')), foot].join('\n')

test('a tree that keeps to the rules has no violation', () => {
  const tree = {
    'src/main.ts': importing('./app.ts', './config/load.ts'),
    'src/app.ts': importing('./graph.ts', './http/server/server.ts', './http/routes/runs.ts'),
    'src/graph.ts': importing('./services/runs/runs.ts', './store/store.ts'),
    'src/config/load.ts': importing('../errors.ts', '../domain/json.ts'),
    'src/http/routes/runs.ts': importing('../body/form.ts', '../../services/runs/runs.ts'),
    'src/http/server/server.ts': importing('../request/size.ts'),
    'src/http/body/form.ts': importing('../request/size.ts'),
    'src/http/request/size.ts': '',
    'src/services/runs/runs.ts': importing('../callers/rules.ts', '../drain.ts', '../../cloud/api.ts'),
    'src/services/callers/rules.ts': importing('../drain.ts'),
    'src/services/drain.ts': '',
    'src/cloud/api.ts': importing('../errors.ts', 'undici', 'node:fs'),
    'src/store/store.ts': '',
    'src/errors.ts': importing('./domain/json.ts'),
    'src/domain/json.ts': '',
  }
  expect(check(tree)).toEqual([])
})

test.each([
  ['import', "import { b } from './b.ts'"],
  ['import of a type', "import type { B } from './b.ts'"],
  ['import in a type', "export type A = import('./b.ts').B"],
  ['import on the way', "export const b = () => import('./b.ts')"],
  ['re-export', "export { b } from './b.ts'"],
  ['re-export of all', "export * from './b.ts'"],
])('a circle by an %s', (_what, text) => {
  const tree = { 'src/domain/a.ts': text, 'src/domain/b.ts': "import type { A } from './a.ts'" }
  expect(check(tree)).toEqual([
    'circle src/domain/a.ts: src/domain/a.ts -> src/domain/b.ts -> src/domain/a.ts',
  ])
})

test('an import in a comment or a string does not count', () => {
  const text = "// import './b.ts'\nconst text = `import './b.ts'`\nexport { text }"
  expect(check({ 'src/domain/a.ts': text, 'src/domain/b.ts': importing('./a.ts') })).toEqual([])
})

test.each([
  ['src/domain/a.ts', '../errors.ts', 'domain may import nothing else of ours'],
  ['src/errors.ts', './store/store.ts', 'errors may import domain'],
  ['src/services/runs/a.ts', '../../http/request/a.ts', 'services may import cloud, store, errors, domain'],
  ['src/mcp/a.ts', '../cloud/api.ts', 'mcp may import services, errors, domain'],
  [
    'src/app.ts',
    './cloud/api.ts',
    'app may import graph, config, metrics, http, mcp, services, errors, domain',
  ],
  ['src/emulator/a.ts', '../domain/json.ts', 'emulator may import nothing else of ours'],
  ['src/extras/a.ts', '../domain/json.ts', 'extras has no row in scripts/structure/layers.ts'],
  ['src/services/files/a.ts', '../runs/runs.ts', 'files may import callers, floor'],
  [
    'src/services/polling/a.ts',
    '../idempotency/b.ts',
    'polling may import files, tasks, functions, callers, floor',
  ],
  ['src/services/drain.ts', './runs/runs.ts', 'floor may import nothing else of ours'],
  ['src/services/extras/a.ts', '../drain.ts', 'extras has no row in scripts/structure/layers.ts'],
  ['src/http/body/a.ts', '../answer/problem.ts', 'body may import request, floor'],
  [
    'src/http/routes/a.ts',
    '../server/server.ts',
    'routes may import run, body, answer, access, openapi, request, floor',
  ],
  ['src/main.ts', './http/server/server.ts', 'http/server is used by app alone'],
])('%s must not import %s', (file, target, reason) => {
  const violations = check({ [file]: `import type {} from '${target}'` })
  expect(violations).toEqual([
    `arrow ${file}: ${new URL(target, `file:///${file}`).pathname.slice(1)}: ${reason}`,
  ])
})

test.each([
  ['function', blockOf(61, 'export function a() {')],
  ['function', blockOf(61, 'export const a = () => {')],
  ['function', blockOf(61, 'export const a = async function () {')],
  ['function', `export class A { ${blockOf(61, 'a() {')} }`],
  ['function', `export const a = {${blockOf(61, 'a() {')}}`],
  ['function', `export const a = {${blockOf(61, 'a: () => {')}}`],
])('a %s of 61 lines is too long: case %#', (kind, text) => {
  expect(check({ 'bench/a.ts': text })).toEqual([`length bench/a.ts:1: a ${kind} of 61 lines, at most 60`])
})

test('a function of 60 lines is not, whatever braces its strings, templates and patterns hold', () => {
  const text = blockOf(60, `export function a() { return [\`\${'}'}\`, /[/}]/, '{'] // }`)
  expect(check({ 'bench/a.ts': text })).toEqual([])
})

test('a function is as long as what it holds', () => {
  const text = `export function a() {\n${blockOf(60, 'function b() {')}\n}`
  expect(check({ 'bench/a.ts': text })).toEqual(['length bench/a.ts:1: a function of 62 lines, at most 60'])
})

test('the callbacks of tests, groups and hooks may be long', () => {
  const text = ['test', 'describe.each([1])', 'beforeAll']
    .map((name) => blockOf(90, `${name}('a', () => {`, '})'))
    .join('\n')
  expect(check({ 'test/support/a.ts': text })).toEqual([])
})

test.each([200, 201])('a class of %i lines: 200 are the most', (total) => {
  const found = check({ 'src/domain/a.ts': blockOf(total, 'export class A { static {', '} }') })
  expect(found).toEqual(total === 200 ? [] : ['length src/domain/a.ts:1: a class of 201 lines, at most 200'])
})

test.each(['services', 'http'])('src/%s may have six loose files, not seven', (layer) => {
  const floor = (count: number): Tree =>
    Object.fromEntries(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, count).map((name) => [`src/${layer}/${name}.ts`, '']),
    )
  expect(check(floor(6))).toEqual([])
  expect(check(floor(7))).toEqual([`floor src/${layer}: 7 loose files, at most 6: give them a room`])
})

test.each([
  ['src/http/routes/task.ts', 'src/http/answer/task.ts'],
  ['src/services/tasks/task-list.ts', 'src/services/runs/task-lists.ts'],
  ['src/services/runs/answer-run.ts', 'src/services/polling/run-answer.ts'],
  ['src/config/entry.ts', 'src/config/entries.ts'],
  ['src/cloud/address.ts', 'src/cloud/addresses.ts'],
])('%s and %s are too alike', (one, other) => {
  expect(check({ [one]: '', [other]: '' })).toEqual([`name ${other}: too like ${one}`])
})

test('the same name in two layers is fine', () => {
  expect(check({ 'src/domain/task.ts': '', 'src/http/routes/task.ts': '' })).toEqual([])
})

test.each([
  ['const', 'export const a = 1'],
  ['function', 'export async function a() {}'],
  ['class', 'export class a {}'],
  ['type', 'export type a = string'],
  ['list', 'const b = 1\nexport { b as a }'],
])('an export by a %s that no other file imports', (_what, text) => {
  const dead = ['export src/domain/x.ts: no other file imports a']
  const other = (line: string) => checkAll({ 'src/domain/x.ts': text, 'test/y.test.ts': line })
  expect(other('')).toEqual(dead)
  expect(other("import { b } from '../src/domain/x.ts'")).toEqual(dead)
  expect(other("import { a } from '../src/domain/z.ts'")).toEqual(dead)
  expect(other("import { a } from '../src/domain/x.ts'")).toEqual([])
  expect(other("import { type a as c } from '../src/domain/x.ts'")).toEqual([])
  expect(other("import * as all from '../src/domain/x.ts'")).toEqual([])
  expect(other("export { a } from '../src/domain/x.ts'")).toEqual([])
  expect(other("await import('../src/domain/x.ts')")).toEqual([])
})

test('what a test file exports may be for the test runner', () => {
  expect(checkAll({ 'test/support/a.ts': 'export const setup = 1' })).toEqual([])
})

test('a long file is a warning, and only in src', () => {
  const texts = new Map([
    ['src/domain/a.ts', '//\n'.repeat(261)],
    ['bench/a.ts', '//\n'.repeat(261)],
  ])
  expect(checkStructure(texts)).toEqual([
    {
      rule: 'length',
      file: 'src/domain/a.ts',
      message: 'a file of 261 lines, better at most 260',
      warning: true,
    },
  ])
})

test('a file that does not parse is named', () => {
  expect(() => check({ 'src/domain/a.ts': 'import {' })).toThrow('src/domain/a.ts')
})
