import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEADLINES } from '../../../src/domain/deadlines.ts'
import type { Fault } from '../../../src/emulator/emulator.ts'
import type { TestGateway } from '../../support/gateway.ts'
import { OTHER_TOKEN } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'
import { lastCreate, run, startWithFunctions } from './setup.ts'

let gateway: TestGateway
beforeEach(async () => {
  gateway = await startWithFunctions()
})
afterEach(() => gateway.close())

const lookUps = () => gateway.emulator.counts()['package-info']
const warnings = () => gateway.logs.filter(({ msg }) => String(msg).startsWith('inputs are not validated'))

test('concurrent requests for a version share one look-up, for all callers with one key', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, nth) =>
      run(gateway, 'typed', { text: 'x' }, nth % 2 ? { token: OTHER_TOKEN } : {}),
    ),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  await send(`${gateway.url}/functions/typed`)
  await run(gateway, 'hold')
  expect(lookUps()).toBe(1)
})

test('a resolved latest is cached, and so is the version it means', async () => {
  await run(gateway, 'echo', {})
  await run(gateway, 'echo', {})
  // The exact version is known by then.
  await run(gateway, 'typed', { text: 'x' })
  expect(lookUps()).toBe(1)
})

const FAULTS: readonly [name: string, fault: Fault][] = [
  ['500', { kind: 'status', status: 500 }],
  ['404', { kind: 'status', status: 404 }],
  ['401', { kind: 'status', status: 401 }],
  ['a reset', { kind: 'reset', when: 'before-answer' }],
  ['a page', { kind: 'html' }],
  ['half an answer', { kind: 'truncated-json' }],
  ['another object', { kind: 'status', status: 200, body: '{"blocks":{}}' }],
  ['another package', { kind: 'status', status: 200, body: '{"packageName":"a","packageVersion":"1.1.0"}' }],
  ['an array', { kind: 'status', status: 200, body: '[]' }],
  ['too much', { kind: 'huge', bytes: 11 * 1024 * 1024 }],
]

test.each(FAULTS)('the registry answering with %s does not stop a run', async (_, fault) => {
  gateway.emulator.misbehave('package-info', fault, Number.POSITIVE_INFINITY)
  const answer = await run(gateway, 'echo', '{"value":1,"unknown":9007199254740993}')
  expect(answer.status).toBe(200)
  expect(answer.headers['x-package-version']).toBe('latest')
  expect(lastCreate(gateway)).toContain('"packageVersion":"latest"')
  expect(lastCreate(gateway)).toContain('"unknown":9007199254740993')
  const described = await send(`${gateway.url}/functions/echo`)
  expect(described.json).toMatchObject({ validated: false, packageVersion: 'latest' })
  // No look-up follows at once, and there is one warning.
  const asked = lookUps()
  await run(gateway, 'echo', {})
  expect(lookUps()).toBe(asked)
  expect(warnings()).toHaveLength(1)
  expect(warnings()[0]).toMatchObject({ level: 40, function: 'echo' })
})

test('a registry that hangs delays only the first run, and not for long', async () => {
  // The test's own deadline is the bound: a call upstream may take 30 s otherwise.
  expect(DEADLINES.lookUpMs).toBeLessThanOrEqual(5_000)
  await gateway.close()
  gateway = await startWithFunctions({ deadlines: { lookUpMs: 500 } })
  gateway.emulator.misbehave('package-info', { kind: 'hang' }, Number.POSITIVE_INFINITY)
  expect((await run(gateway, 'typed', { text: 'x' })).status).toBe(200)
  expect((await run(gateway, 'typed', { text: 'x' })).status).toBe(200)
  expect(lookUps()).toBe(1)
})

test('while the registry is unavailable a fixed input still can not be set', async () => {
  gateway.emulator.misbehave('package-info', { kind: 'status', status: 500 }, Number.POSITIVE_INFINITY)
  const answer = await run(gateway, 'typed', { note: 'mine', anything: 1 })
  expect(answer.status).toBe(400)
  expect(answer.json.errors).toEqual([{ path: '/note', message: 'is not known' }])
})

test('a block that the package does not have runs without validation, with a warning', async () => {
  gateway.emulator.publish({ packageName: '@test/special', packageVersion: '1.0.0', blocks: [] })
  const answer = await run(gateway, 'special', {})
  expect(answer.status).toBe(404)
  expect(answer.json.code).toBe('upstream_rejected')
  expect(warnings()[0]?.msg).toMatch(/no such block/)
})

test('a caller that leaves does not abort the look-up for the others', async () => {
  let open = () => {}
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  gateway.emulator.misbehave('package-info', { kind: 'gate', until })
  const controller = new AbortController()
  const arrived = gateway.emulator.arrived('package-info')
  const first = send(`${gateway.url}/run/typed`, { body: { text: 'x' }, signal: controller.signal })
  const left = expect(first).rejects.toThrow()
  await arrived
  const second = run(gateway, 'typed', { text: 1 })
  controller.abort()
  await left
  open()
  expect((await second).json.errors).toEqual([{ path: '/text', message: 'must be string' }])
  expect(lookUps()).toBe(1)
})

test('configured values that do not fit are logged once, and do not fail the run', async () => {
  await gateway.close()
  gateway = await startWithFunctions({
    files: {
      'gateway.yaml': `functions:\n  - {name: bad, package: "@emulator/basics", version: "1.1.0", block: typed, inputs: {text: 1}, fixed: {other: x}}\n`,
    },
  })
  expect((await run(gateway, 'bad', {})).status).toBe(200)
  await run(gateway, 'bad', {})
  const said = gateway.logs.filter(({ msg }) => msg === 'values of the configuration do not fit the function')
  expect(said).toHaveLength(1)
  expect(said[0]?.errors).toEqual([
    { path: '/text', message: 'must be string' },
    { path: '/other', message: 'is not known' },
  ])
})

test('no fixed value is in the log at any level', async () => {
  await gateway.close()
  gateway = await startWithFunctions({
    env: { LOG_LEVEL: 'trace' },
    files: {
      'gateway.yaml': `functions:\n  - {name: quiet, package: "@emulator/basics", version: "1.1.0", block: typed, fixed: {text: 5, anything: canary-value}}\n`,
    },
  })
  gateway.emulator.misbehave('package-info', { kind: 'status', status: 500 })
  expect((await run(gateway, 'quiet', { anything: 1 })).status).toBe(400)
  expect((await run(gateway, 'quiet', {})).status).toBe(200)
  expect(gateway.logs.some(({ code }) => code === 'upstream_error')).toBe(true)
  expect(JSON.stringify(gateway.logs)).not.toContain('canary-value')
})
