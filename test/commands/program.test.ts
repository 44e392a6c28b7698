import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor, KEY } from '../support/gateway.ts'
import { endGatewayProcesses, spawnGateway } from '../support/gateway-process.ts'
import { within } from '../support/within.ts'

const readRoot = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const { version, bin } = JSON.parse(readRoot('package.json')) as { version: string; bin: object }

let emulator: Emulator
let folder: string
beforeAll(async () => {
  emulator = await startEmulator()
  folder = await mkdtemp(join(tmpdir(), 'oomol-check-'))
})
afterEach(endGatewayProcesses)
afterAll(async () => {
  await emulator?.close()
  await rm(folder, { recursive: true, force: true })
})

/** What the program prints and ends with. */
async function call(args: string[], env: Record<string, string | undefined> = {}) {
  const { exit, output } = spawnGateway(env, { args })
  const code = await within(exit, 'it did not end', 15_000)
  return { code, output: output() }
}

test('it is the bin of the package, with a first line that starts Node', () => {
  expect(bin).toEqual({ 'oomol-gateway': 'dist/main.js' })
  expect(readRoot('src/main.ts')).toMatch(/^#!\/usr\/bin\/env node\n/)
})

test('--help names every option and subcommand', async () => {
  const { code, output } = await call(['--help'])
  expect(code).toBe(0)
  for (const word of ['--check', '--check=upstream', '--accept-store', '--help', '--version', 'token']) {
    expect(output).toContain(`  ${word} `)
  }
})

test('--version prints the version alone', async () => {
  expect(await call(['--version'])).toEqual({ code: 0, output: `${version}\n` })
})

test('token prints a token and its hash; after it, --help explains it', async () => {
  const printed = await call(['token'])
  expect(printed).toEqual({
    code: 0,
    output: expect.stringMatching(/^token {8}\S{43}\ntokenSha256 {2}[0-9a-f]{64}\n$/),
  })
  expect(await call(['token', '--help'])).toEqual({
    code: 0,
    output: expect.stringContaining('Usage: oomol-gateway token\n'),
  })
})

test.each([
  [['--chek'], '--chek'],
  [['tokne'], 'tokne'],
  [['token', 'more'], 'more'],
  [['token', '--count=5'], '--count'],
  [['--check=all'], '--check'],
  [['--accept-store=yes'], '--accept-store'],
  [['--check', '--accept-store'], '--accept-store'],
  [['--constructor'], '--constructor'],
])('%j is refused with 64 and its name', async (args, name) => {
  const { code, output } = await call(args, environmentFor(emulator))
  expect(code).toBe(64)
  expect(output).toContain(name)
  expect(output).not.toMatch(/^ +at /m)
})

test('the value of an unknown argument is not printed: it may be a secret', async () => {
  const { code, output } = await call(['--api-key=canary\nvalue'])
  expect(code).toBe(64)
  expect(output).toContain('--api-key')
  expect(output).not.toMatch(/canary|value/)
})

test('--check says that a configuration is valid, and calls no one', async () => {
  emulator.resetCounts()
  const { code, output } = await call(['--check'], environmentFor(emulator))
  expect([code, output]).toEqual([0, 'The configuration is valid: 2 callers, 0 functions.\n'])
  expect(emulator.counts().dashboard).toBe(0)
})

test('--check prints every problem of the environment and of the file, and no value', async () => {
  const path = join(folder, 'gateway.yaml')
  await writeFile(path, 'callers:\n  - id: "no id"\n    tokns: []\nfunctions: 7\n')
  const env = { ...environmentFor(emulator), PORT: 'canary-port', GATEWAY_CONFIG: path }
  const { code, output } = await call(['--check'], env)
  expect(code).toBe(78)
  for (const name of ['PORT', 'line 3: callers[0]: has an unknown key', 'line 4: functions'])
    expect(output).toContain(name)
  expect(output).not.toMatch(/canary|valid:/)
})

test('--check=upstream makes one call with the key', async () => {
  emulator.resetCounts()
  const { code, output } = await call(['--check=upstream'], environmentFor(emulator))
  expect([code, output]).toEqual([0, expect.stringContaining('Upstream takes the key.\n')])
  expect(emulator.counts().dashboard).toBe(1)
})

test.each([
  ['a wrong key', { OOMOL_API_KEY: 'wrong-key-canary' }, 'upstream_auth_failed\n'],
  ['no one there', { OOMOL_BASE_URL: 'http://127.0.0.1:1' }, 'upstream_unreachable (ECONNREFUSED)\n'],
  ['a private address', { OOMOL_ALLOW_INSECURE: 'false' }, '(FORBIDDEN_ADDRESS)\n'],
])('--check=upstream ends with 69 and a word: %s', async (name, env, word) => {
  const isPrivate = name === 'a private address'
  const bases = ['OOMOL_BASE_URL', 'OOMOL_UPLOAD_BASE_URL', 'OOMOL_REGISTRY_URL']
  const secure = isPrivate ? Object.fromEntries(bases.map((base) => [base, 'https://127.0.0.1:1'])) : {}
  const { code, output } = await call(['--check=upstream'], {
    ...environmentFor(emulator),
    ...secure,
    ...env,
  })
  expect([code, output]).toEqual([69, expect.stringContaining(`Upstream: `)])
  expect(output).toContain(word)
  expect(output).not.toMatch(new RegExp(`canary|${KEY}|127\\.0\\.0\\.1`))
})

test('--check=upstream without a key of the organisation has nothing to ask with', async () => {
  const env = { OOMOL_API_KEY: undefined, GATEWAY_TOKENS: undefined, COOKIE_MODE: 'on' }
  const { code, output } = await call(['--check=upstream'], { ...environmentFor(emulator), ...env })
  expect([code, output]).toEqual([69, expect.stringContaining('OOMOL_API_KEY')])
})

test('--accept-store starts the gateway', async () => {
  const { child, exit, output } = spawnGateway(environmentFor(emulator), { args: ['--accept-store'] })
  await expect.poll(output, { timeout: 15_000 }).toContain('listening at')
  child.kill('SIGTERM')
  expect(await within(exit, 'it did not end', 8_000)).toBe(0)
})
