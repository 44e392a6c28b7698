import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, expect, test, vi } from 'vitest'
import { builtProgram } from './support/built-program.ts'
import { within } from './support/within.ts'

const START_MS = 20_000
const END_MS = 5_000

vi.setConfig({ testTimeout: 60_000 })

const started: ReturnType<typeof startDemo>[] = []
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL')
})

/** `npm run demo` without npm in between, so that only the demo gets the signal. */
function startDemo(...args: string[]) {
  const child = spawn(process.execPath, [builtProgram('scripts/demo.ts'), ...args], {
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const exit = new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal)),
  )
  const printed = (text: string) =>
    new Promise<void>((resolve) => {
      const check = () => (output.includes(text) ? resolve() : undefined)
      child.stdout.on('data', check)
      check()
    })
  return { child, exit, printed, output: () => output }
}

function run(...args: string[]) {
  const demo = startDemo(...args)
  started.push(demo)
  return demo
}

test('with --once it makes a run of its own, prints its result and ends with 0', async () => {
  const demo = run('--once')
  expect(await within(demo.exit, 'the demo did not end', START_MS)).toBe(0)
  const sha256 = createHash('sha256').update(readFileSync('README.md')).digest('hex')
  expect(demo.output()).toContain(`"sha256":"${sha256}"`)
  expect(demo.output()).toContain('"status":"success"')
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with 0 and nothing on the screen', async (signal) => {
  const demo = run()
  await within(demo.printed('Ctrl-C ends it.\n'), 'the demo did not start', START_MS)
  const before = demo.output()
  demo.child.kill(signal)
  demo.child.kill(signal)
  expect(await within(demo.exit, 'the demo did not end', END_MS)).toBe(0)
  expect(demo.output()).toBe(before)
})

test('a second demo finds ports of its own', async () => {
  const first = run()
  await within(first.printed('Ctrl-C ends it.\n'), 'the first did not start', START_MS)
  const second = run('--once')
  expect(await within(second.exit, 'the second did not end', START_MS)).toBe(0)
  expect(addressOf(second.output())).not.toBe(addressOf(first.output()))
})

test('a PORT that is not a port is reported by its name', async () => {
  const child = spawnSync(process.execPath, [builtProgram('scripts/demo.ts')], {
    env: { PATH: process.env.PATH ?? '', PORT: 'http' },
    encoding: 'utf8',
  })
  expect([child.status, child.stderr]).toEqual([1, expect.stringContaining('PORT')])
  expect(child.stderr).not.toContain('    at ')
})

const hasCurl = spawnSync('curl', ['--version']).status === 0

test.runIf(hasCurl)('every line to copy works as it is', async () => {
  const demo = run()
  await within(demo.printed('Ctrl-C ends it.\n'), 'the demo did not start', START_MS)
  const lines = demo.output().match(/^ {2}curl .*$/gm) ?? []
  expect(lines).toHaveLength(3)
  await Promise.all(
    lines.map(async (line) => {
      const shell = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'ignore'] })
      let text = ''
      shell.stdout.on('data', (chunk) => {
        text += chunk
      })
      await within(new Promise((resolve) => shell.once('close', resolve)), `${line} did not end`, START_MS)
      expect(text).toContain('"status":"success"')
    }),
  )
})

function addressOf(output: string): string | undefined {
  return /gateway {3}(http:\S+)/.exec(output)?.[1]
}
