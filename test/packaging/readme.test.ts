import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

const readRoot = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const readme = readRoot('README.md')

/** Public, which the route table can't distinguish from the answers to wrong methods. */
const PUBLIC = ['GET /livez', 'GET /readyz', 'GET /openapi.json', 'GET /docs', 'GET /metrics']

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

test('every route is in the README', () => {
  const routes = gateway.gateway.routes
    .filter(({ method, scope }) => scope !== undefined && scope !== 'public' && method !== 'HEAD')
    .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
  expect(routes.length).toBeGreaterThan(15)
  expect([...routes, ...PUBLIC].filter((route) => !readme.includes(`\`${route}\``))).toEqual([])
})

test('every code of an error is in the table of the README', () => {
  const codes = [...readRoot('src/errors.ts').matchAll(/^ {2}(\w+): \[\d{3},/gm)].map((match) => match[1])
  expect(codes.length).toBeGreaterThan(25)
  const rows = readme.match(/^\| [\d, ]+ \| `.*$/gm)?.join('\n') ?? ''
  expect(codes.filter((code) => !rows.includes(`\`${code}\``))).toEqual([])
})

test('every metric is in the table of the README', () => {
  const sources = readRoot('src/app.ts') + readRoot('src/metrics/metrics.ts')
  const names = [...sources.matchAll(/(?:gauge\(\s*|counter\(\s*|name: )'([a-z_]+)'/g)].map(
    (match) => match[1]!,
  )
  expect(names.length).toBeGreaterThan(6)
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
})

test('every script that the README names is one', () => {
  const { scripts } = JSON.parse(readRoot('package.json')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!)
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
})

test('every link within the README leads somewhere', () => {
  const anchors = [...readme.matchAll(/^#+ (.*)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  const links = [...readme.matchAll(/\]\(#([\w-]+)\)/g)].map((match) => match[1]!)
  expect(links.filter((link) => !anchors.includes(link))).toEqual([])
})
