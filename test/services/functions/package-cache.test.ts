import { afterEach, beforeEach, expect, test } from 'vitest'
import { createKeyCredential } from '../../../src/cloud/credential.ts'
import { createHttpClient, type HttpClient } from '../../../src/cloud/http-client.ts'
import { createRegistryApi } from '../../../src/cloud/registry-api.ts'
import { createUpstream } from '../../../src/cloud/upstream.ts'
import { PLAIN_RULES } from '../../../src/domain/caller.ts'
import { DEADLINES } from '../../../src/domain/deadlines.ts'
import { type Emulator, startEmulator } from '../../../src/emulator/emulator.ts'
import type { Caller } from '../../../src/services/callers/request-context.ts'
import { createPackageCache, type PackageCache } from '../../../src/services/functions/package-cache.ts'

let emulator: Emulator
let client: HttpClient
let packageCache: PackageCache
let failures: string[]
/** The clock of the cache. */
let nowMs: number

beforeEach(async () => {
  emulator = await startEmulator({ keys: ['key-a', 'key-b'] })
  client = createHttpClient({ allowInsecure: true })
  nowMs = 1_000_000
  failures = []
  const now = () => nowMs
  const registry = createRegistryApi(
    createUpstream(client, emulator.registryUrl, {
      userAgent: 'test',
      now,
      monotonicNow: now,
      deadlines: DEADLINES,
    }),
  )
  const onFailure = (_: object, code: string) => failures.push(code)
  packageCache = createPackageCache({ registry, monotonicNow: now, lookUpMs: 5_000, onFailure })
  publish('1.0.0')
})
afterEach(async () => {
  await client.close()
  await emulator.close()
})

function publish(packageVersion: string): void {
  emulator.publish({ packageName: '@test/pkg', packageVersion, blocks: [] })
}

function callerWith(key: string): Caller {
  return { id: key, kind: 'app', rules: PLAIN_RULES, credential: createKeyCredential(key) }
}

const CALLER = callerWith('key-a')

async function versionOf(packageVersion: string, caller = CALLER): Promise<string | undefined> {
  return (await packageCache.find(caller, { packageName: '@test/pkg', packageVersion }))?.packageVersion
}

const lookUps = () => emulator.counts()['package-info']

test('a published version is never asked for again', async () => {
  expect(await versionOf('1.0.0')).toBe('1.0.0')
  nowMs += 365 * 24 * 60 * 60 * 1000
  expect(await versionOf('1.0.0')).toBe('1.0.0')
  expect(lookUps()).toBe(1)
})

test('latest is resolved again after a minute', async () => {
  expect(await versionOf('latest')).toBe('1.0.0')
  publish('1.1.0')
  nowMs += 59_000
  expect(await versionOf('latest')).toBe('1.0.0')
  nowMs += 2_000
  expect(await versionOf('latest')).toBe('1.1.0')
  expect(lookUps()).toBe(2)
})

test('while the registry is unavailable, a resolved latest is used for an hour', async () => {
  await versionOf('latest')
  const undo = emulator.misbehave('package-info', { kind: 'status', status: 503 }, Number.POSITIVE_INFINITY)
  nowMs += 61_000
  expect(await versionOf('latest')).toBe('1.0.0')
  expect(await versionOf('latest')).toBe('1.0.0')
  expect(lookUps()).toBe(2)
  expect(failures).toEqual(['upstream_unavailable'])
  nowMs += 60 * 60_000
  expect(await versionOf('latest')).toBeUndefined()
  undo()
  publish('1.1.0')
  nowMs += 11_000
  expect(await versionOf('latest')).toBe('1.1.0')
})

test('a failure is remembered for a short time, in which no look-up is made', async () => {
  emulator.misbehave('package-info', { kind: 'status', status: 500 })
  expect(await versionOf('1.0.0')).toBeUndefined()
  expect(await versionOf('1.0.0')).toBeUndefined()
  expect(lookUps()).toBe(1)
  nowMs += 11_000
  expect(await versionOf('1.0.0')).toBe('1.0.0')
  expect(lookUps()).toBe(2)
})

test('callers with different keys share nothing', async () => {
  await versionOf('1.0.0')
  expect(await versionOf('1.0.0', callerWith('key-b'))).toBe('1.0.0')
  expect(await versionOf('1.0.0', callerWith('key-c'))).toBeUndefined()
  expect(lookUps()).toBe(3)
})

test('an answer with another version than the one asked for is ignored', async () => {
  const body = JSON.stringify({ packageName: '@test/pkg', packageVersion: '2.0.0', blocks: [] })
  emulator.misbehave('package-info', { kind: 'status', status: 200, body })
  expect(await versionOf('1.0.0')).toBeUndefined()
  expect(failures).toEqual(['upstream_invalid_response'])
})

test('a tag must mean an exact version', async () => {
  const body = JSON.stringify({ packageName: '@test/pkg', packageVersion: 'latest', blocks: [] })
  emulator.misbehave('package-info', { kind: 'status', status: 200, body })
  expect(await versionOf('latest')).toBeUndefined()
})

test('at most a thousand entries are kept, those used last', async () => {
  await versionOf('1.0.0')
  for (let nth = 1; nth <= 1_000; nth++) {
    if (nth % 100 === 0) await versionOf('1.0.0')
    emulator.publish({ packageName: `pkg-${nth}`, packageVersion: '1.0.0', blocks: [] })
    await packageCache.find(CALLER, { packageName: `pkg-${nth}`, packageVersion: '1.0.0' })
  }
  expect(lookUps()).toBe(1_001)
  await versionOf('1.0.0')
  expect(lookUps()).toBe(1_001)
  await packageCache.find(CALLER, { packageName: 'pkg-1', packageVersion: '1.0.0' })
  expect(lookUps()).toBe(1_002)
})
