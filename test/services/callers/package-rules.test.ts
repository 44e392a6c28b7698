import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TOKENS, WITH_THREE_CALLERS } from '../../support/callers-file.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway(WITH_THREE_CALLERS)
})
afterAll(() => gateway.close())

type Package = { packageName: string; packageVersion: string }
type NamePackage = (pkg: Package, token: string) => ReturnType<typeof send>

/** Every request that names a package. */
const REQUESTS: [string, NamePackage][] = [
  ...['/run', '/run?wait=0', '/tasks', '/v3/users/me/tasks'].map((path): [string, NamePackage] => [
    `POST ${path}`,
    (pkg, token) => {
      const type = path.startsWith('/v3') ? { type: 'serverless' } : {}
      return send(gateway.url + path, { token, body: { ...type, ...pkg, blockName: 'echo' } })
    },
  ]),
  [
    'package-info',
    ({ packageName, packageVersion }, token) =>
      send(`${gateway.url}/-/oomol/package-info/${encodeURIComponent(packageName)}/${packageVersion}`, {
        token,
      }),
  ],
]

const basics = (packageVersion: string) => ({ packageName: '@emulator/basics', packageVersion })

describe.each(REQUESTS)('%s', (_name, request) => {
  test.each([basics('1.0.0'), basics('1.1.0')])('accepts what the rules allow: %j', async (pkg) => {
    expect((await request(pkg, TOKENS.agent)).status).toBeLessThan(300)
  })

  test.each([
    basics('latest'),
    basics('2.0.0'),
    basics('1'),
    basics('10.0.0'),
    { packageName: '@emulator/files', packageVersion: '1.0.0' },
    { packageName: '@emulator/basics-2', packageVersion: '1.0.0' },
    { packageName: '@EMULATOR/basics', packageVersion: '1.0.0' },
    { packageName: 'greet', packageVersion: '2.0.0' },
  ])('refuses what they do not allow, without asking upstream: %j', async (pkg) => {
    gateway.emulator.resetCounts()
    const answer = await request(pkg, TOKENS.agent)
    expect([answer.status, answer.json.code]).toEqual([403, 'package_denied'])
    expect((await request(pkg, TOKENS.frontend)).json.code).toBe('package_denied')
    const { create, 'package-info': info } = gateway.emulator.counts()
    expect([create, info]).toEqual([0, 0])
  })
})

test('latest is a version like any other: allowed if it is named or if every version is', async () => {
  for (const [, request] of REQUESTS)
    expect((await request(basics('latest'), TOKENS.service)).status).toBeLessThan(300)
})

test.each([
  '{"packageName":"@emulator/basics","packageName":"greet","packageVersion":"1.0.0","blockName":"echo","type":"serverless"}',
  '{"packageName":"greet","package\\u004eame":"@emulator/basics","packageVersion":"1.0.0","blockName":"echo","type":"serverless"}',
])('a body that two parsers would read as two packages is refused: %s', async (body) => {
  gateway.emulator.resetCounts()
  for (const path of ['/run', '/tasks', '/v3/users/me/tasks']) {
    const headers = { 'content-type': 'application/json' }
    expect((await send(gateway.url + path, { token: TOKENS.agent, body, headers })).status).toBe(400)
  }
  expect(gateway.emulator.counts().create).toBe(0)
})

test.each([
  '%40emulator%2Fbasics%2F..%2Ffiles/1.0.0',
  '%40emulator%2Fbasics/1.0.0%2F..%2F..%2Fgreet%2F2.0.0',
  '%40emulator%2Fbasics%00/1.0.0',
  '%40emulator%252Fbasics/1.0.0',
])('an invalid name in the path is 404, and is not sent upstream: %s', async (path) => {
  gateway.emulator.resetCounts()
  const answer = await send(`${gateway.url}/-/oomol/package-info/${path}`, { token: TOKENS.service })
  expect(answer.status).toBe(404)
  expect(gateway.emulator.counts()['package-info']).toBe(0)
})
