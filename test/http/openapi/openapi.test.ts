import { afterAll, describe, expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'

const gateway = await startTestGateway()
const document = (await send(`${gateway.url}/openapi.json`, { token: null })).json
afterAll(() => gateway.close())

const ROUTES = gateway.gateway.routes.filter(({ scope, method }) => scope !== undefined && method !== 'HEAD')
const toTemplate = (url: string) => url.replace(/:(\w+)/g, '{$1}')
const operations = ROUTES.map((route) => ({
  ...route,
  operation: document.paths[toTemplate(route.url)]?.[route.method.toLowerCase()],
}))

test('it is OpenAPI 3.1, with a title and a version', () => {
  expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'oomol-gateway', version: '0.0.0' } })
})

test('it describes every route and no other', () => {
  const described = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item as object).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(described.sort()).toEqual(ROUTES.map(({ method, url }) => `${method} ${toTemplate(url)}`).sort())
})

test('every reference leads somewhere', () => {
  const references = JSON.stringify(document).match(/"\$ref":"[^"]*"/g) ?? []
  expect(references.length).toBeGreaterThan(0)
  for (const reference of new Set(references)) {
    const { $ref } = JSON.parse(`{${reference}}`)
    expect($ref).toMatch(/^#\//)
    const target = $ref
      .slice(2)
      .split('/')
      .reduce((value: Record<string, unknown> | undefined, name: string) => value?.[name] as never, document)
    expect({ $ref, isThere: target !== undefined }).toEqual({ $ref, isThere: true })
  }
})

test('the tags that are used are those that are declared', () => {
  const declared = document.tags.map(({ name }: { name: string }) => name)
  const used = new Set(operations.flatMap(({ operation }) => operation.tags))
  expect([...used].sort()).toEqual([...declared].sort())
})

test('the security schemes that are named exist', () => {
  const schemes = Object.keys(document.components.securitySchemes)
  for (const requirement of document.security)
    expect(schemes).toEqual(expect.arrayContaining(Object.keys(requirement)))
  expect(document.security.length).toBeGreaterThan(0)
})

describe.each(operations)('$method $url', ({ url, scope, method, operation }) => {
  test('says what it does', () => {
    expect(operation.summary).toEqual(expect.any(String))
    expect(operation.tags).toHaveLength(1)
  })

  test('declares each parameter of its path as required, and describes queries', () => {
    const names = [...url.matchAll(/:(\w+)/g)].map(([, name]) => name)
    const declared = (operation.parameters ?? []).filter(
      (parameter: { in: string }) => parameter.in === 'path',
    )
    expect(declared.map(({ name }: { name: string }) => name).sort()).toEqual(names.sort())
    expect(declared.every(({ required }: { required: boolean }) => required)).toBe(true)
    for (const parameter of operation.parameters ?? []) expect(parameter.schema).toBeDefined()
  })

  test('lists its answers, each with a description, and errors as problems', () => {
    const statuses = Object.keys(operation.responses)
    expect(statuses.some((status) => status.startsWith('2'))).toBe(true)
    for (const [status, response] of Object.entries<Record<string, never>>(operation.responses)) {
      expect(response.description).toEqual(expect.any(String))
      const problem = response.content?.['application/problem+json'] as { schema: object } | undefined
      // MCP answers some errors as JSON-RPC.
      if (Number(status) >= 400 && scope !== 'public' && url !== '/mcp') {
        expect(problem?.schema).toEqual({ $ref: '#/components/schemas/Problem' })
      }
    }
    if (scope === 'public') expect(operation.security).toEqual([])
    else expect(statuses).toEqual(expect.arrayContaining(['400', '401', '403', '405', '500', '502', '503']))
    const isForAScope = scope !== 'public' && scope !== 'any-caller'
    if (isForAScope) expect(operation.description).toContain(scope)
    if (url.includes(':taskID')) expect(statuses).toContain('404')
  })

  test('describes its body where it takes one', () => {
    if (method === 'GET') expect(operation.requestBody).toBeUndefined()
    else expect(Object.keys(operation.requestBody.content).length).toBeGreaterThan(0)
  })
})

test('bodies and answers are described by their members', () => {
  const run = document.paths['/run'].post
  const { schema } = run.requestBody.content['application/json']
  expect(schema.required).toEqual(['packageName', 'packageVersion', 'blockName'])
  expect(schema.additionalProperties).toBe(false)
  expect(Object.keys(run.responses)).toEqual(
    expect.arrayContaining(['200', '202', '402', '408', '413', '415', '422']),
  )
  const headers = Object.keys(run.responses[202].headers)
  expect(headers).toEqual(
    expect.arrayContaining(['Location', 'Retry-After', 'Preference-Applied', 'X-Task-ID']),
  )
  const names = run.parameters.map(({ name, in: place }: { name: string; in: string }) => `${place} ${name}`)
  expect(names).toEqual(expect.arrayContaining(['query wait', 'header Prefer']))
  const pause = document.paths['/queue/pause'].post
  expect(pause.requestBody.required ?? false).toBe(false)
})

describe('/docs', () => {
  test('loads, with all its assets', async () => {
    const page = await send(`${gateway.url}/docs`, { token: null })
    const text =
      page.status === 302
        ? (await send(new URL(String(page.headers.location), `${gateway.url}/docs`).href)).text
        : page.text
    const assets = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
    expect(assets.length).toBeGreaterThanOrEqual(4)
    for (const path of assets) {
      const { href, origin } = new URL(path, `${gateway.url}/docs/`)
      expect(origin).toBe(gateway.url)
      expect([path, (await send(href, { token: null })).status]).toEqual([path, 200])
    }
    expect(page.headers['content-security-policy']).toContain("default-src 'self'")
  })

  test('reads the description of this gateway', async () => {
    const script = await send(`${gateway.url}/docs/static/swagger-initializer.js`, { token: null })
    expect(script.text).toContain('/openapi.json')
  })

  test('an unknown path is 404 as a problem', async () => {
    const answer = await send(`${gateway.url}/docs/static/nothing`, { token: null })
    expect([answer.status, answer.json.code]).toEqual([404, 'not_found'])
  })
})
