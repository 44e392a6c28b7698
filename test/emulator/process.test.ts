import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { readEnvironment } from '../../src/emulator/environment.ts'
import { builtProgram } from '../support/built-program.ts'
import { within } from '../support/within.ts'
import { ask, call, createBody, TASKS } from './client.ts'

const START_MS = 10_000
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts `src/emulator/main.ts` with nothing but these settings. */
function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [builtProgram('src/emulator/main.ts')], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  const printed = (text: string) =>
    new Promise<void>((resolve) => {
      const check = () => (output.includes(text) ? resolve() : undefined)
      child.stdout.on('data', check)
      child.stderr.on('data', check)
      check()
    })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, exit, printed, output: () => output }
}

function urlAfter(output: string, label: string): string {
  return new RegExp(`${label} (http://\\S+)`).exec(output)?.[1] ?? ''
}

describe('the emulator as a process', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'serves with its key and ends with %s, even if a request hangs',
    async (signal) => {
      const started = run({ EMULATOR_PORT: '0', EMULATOR_STORE_PORT: '0', EMULATOR_KEY: 'own-key' })
      await within(started.printed('API key own-key'), 'the emulator did not start', START_MS)
      const url = urlAfter(started.output(), 'registry at')
      const body = createBody('echo')
      expect((await ask('POST', url + TASKS, { body, authorization: 'own-key' })).status).toBe(200)
      expect((await ask('POST', url + TASKS, { body })).status).toBe(401)
      await call('POST', `${url}/_emulator/misbehave`, {
        body: '{"operation":"list","fault":{"kind":"hang"}}',
      })
      const hanging = call('GET', url + TASKS, { authorization: 'own-key' }).catch(() => 'broken')
      while ((await ask('GET', `${url}/_emulator/counts`)).json.list === 0);
      started.child.kill(signal)
      expect(await within(started.exit, 'the emulator did not end')).toBe(0)
      expect(await hanging).toBe('broken')
    },
  )

  it('names every setting that is wrong, and exits with 78', async () => {
    const started = run({ EMULATOR_PORT: 'http', EMULATOR_STORE_URL: 'ftp://store.example' })
    expect(await within(started.exit, 'the emulator did not end', START_MS)).toBe(78)
    expect(started.output()).toContain('EMULATOR_PORT must be')
    expect(started.output()).toContain('EMULATOR_STORE_URL must be')
    expect(started.output()).not.toContain('ftp')
  })

  it('says which port is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const started = run({ EMULATOR_PORT: String(port), EMULATOR_STORE_PORT: '0' })
    expect(await within(started.exit, 'the emulator did not end', START_MS)).toBe(1)
    expect(started.output()).toContain(`port ${port} can't be opened`)
    server.close()
  })
})

describe('the environment', () => {
  it('has a default for everything', () => {
    expect(readEnvironment({})).toEqual({
      options: {
        host: '127.0.0.1',
        port: 4000,
        storePort: 4001,
        keys: ['emulator-key'],
        cookies: ['emulator-cookie'],
      },
    })
  })

  it('takes what it is given', () => {
    const env = {
      EMULATOR_HOST: '0.0.0.0',
      EMULATOR_PORT: '5000',
      EMULATOR_STORE_PORT: '5001',
      EMULATOR_KEY: 'k',
      EMULATOR_COOKIE: 'c',
      EMULATOR_STORE_URL: 'http://emulator:5001/',
    }
    expect(readEnvironment(env)).toEqual({
      options: {
        host: '0.0.0.0',
        port: 5000,
        storePort: 5001,
        keys: ['k'],
        cookies: ['c'],
        storeUrl: 'http://emulator:5001',
      },
    })
  })

  it.each([
    ['EMULATOR_HOST', 'a b'],
    ['EMULATOR_PORT', '65536'],
    ['EMULATOR_PORT', '-1'],
    ['EMULATOR_STORE_PORT', '4000'],
    ['EMULATOR_KEY', 'with space'],
    ['EMULATOR_KEY', 'with\nbreak'],
    ['EMULATOR_COOKIE', 'a;b'],
    ['EMULATOR_STORE_URL', 'http://store.example/path'],
    ['EMULATOR_STORE_URL', 'http://user@store.example'],
  ])('refuses %s of %o', (name, value) => {
    const environment = readEnvironment({ [name]: value })
    const problems = 'problems' in environment ? environment.problems : []
    expect(problems).toEqual([expect.stringContaining(name)])
    expect(problems.join()).not.toContain(value)
  })
})
