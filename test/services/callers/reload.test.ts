import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig, reloadCallers } from '../../../src/config/load-config.ts'
import { type Emulator, startEmulator } from '../../../src/emulator/emulator.ts'
import { builtProgram } from '../../support/built-program.ts'
import { environmentFor, startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

const OLD = 'test-token-that-was-first'
const NEW = 'test-token-that-came-later'

const fileWith = (token: string, more = '') =>
  `callers:\n  - { id: web, tokens: ["${token}"], packages: ["*"], limits: { requestsPerMinute: 5 }${more} }\n`

describe('the gateway', () => {
  let gateway: TestGateway
  let text: string
  beforeEach(async () => {
    text = fileWith(OLD)
    gateway = await startTestGateway({ env: { GATEWAY_CONFIG: 'c' }, files: { c: text } })
  })
  afterEach(() => gateway.close())

  const reload = () => {
    const env = { ...environmentFor(gateway.emulator), GATEWAY_CONFIG: 'c' }
    gateway.gateway.reload(
      reloadCallers(
        loadConfig(env, () => text),
        env,
        () => text,
      ),
    )
  }
  const status = async (token: string, headers = {}) =>
    (await send(`${gateway.url}/tasks`, { token, headers })).status

  test('applies callers from the next request on, and keeps the counts of those that remain', async () => {
    for (let at = 0; at < 3; at++) expect(await status(OLD)).toBe(200)
    text = fileWith(NEW)
    reload()
    expect(await status(OLD)).toBe(401)
    expect([await status(NEW), await status(NEW), await status(NEW)]).toEqual([200, 200, 429])
  })

  test('finishes running requests, and a task keeps its owner', async () => {
    const held = send(`${gateway.url}/run?wait=20`, { token: OLD, body: runOf('hold') })
    const { taskID } = await gateway.emulator.arrived('create').then(async () => {
      await gateway.emulator.arrived('result')
      return gateway.emulator.tasks()[0]!
    })
    text = fileWith(NEW)
    reload()
    gateway.emulator.finish(taskID, { status: 'success', resultData: [{}] })
    expect((await held).status).toBe(200)
    expect((await send(`${gateway.url}/tasks/${taskID}`, { token: NEW })).status).toBe(200)
  })

  test('applies rules and origins', async () => {
    const origin = 'https://late.example'
    const read = () => send(`${gateway.url}/tasks`, { token: OLD, headers: { origin } })
    expect((await read()).headers['access-control-allow-origin']).toBeUndefined()
    text = fileWith(OLD, `, origins: ["${origin}"], scopes: ["tasks:read"]`)
    reload()
    const answer = await read()
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, origin])
    expect((await send(`${gateway.url}/run`, { token: OLD, body: runOf('echo') })).status).toBe(403)
  })
})

describe('SIGHUP', () => {
  let directory: string
  let emulator: Emulator
  let child: ChildProcess | undefined
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gateway-reload-'))
    emulator = await startEmulator()
  })
  afterEach(async () => {
    if (child && child.exitCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await emulator.close()
    await rm(directory, { recursive: true })
  })

  /** Starts the process; `said` resolves to the log line with a text. */
  async function start(path: string) {
    const env = {
      PATH: process.env.PATH,
      ...environmentFor(emulator),
      GATEWAY_CONFIG: path,
      METRICS_PORT: undefined,
    }
    child = spawn(process.execPath, [builtProgram('src/main.ts')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines: Record<string, unknown>[] = []
    createInterface({ input: child.stdout! }).on('line', (line) => lines.push(JSON.parse(line)))
    const said = async (text: string) => {
      const find = () => lines.findLast(({ msg }) => String(msg).includes(text))
      await expect.poll(find, { timeout: 10_000, message: `the log says "${text}"` }).toBeDefined()
      return find()!
    }
    const listening = await said('listening at')
    const url = /https?:\/\/\S+/.exec(String(listening.msg))![0]
    return { url, said, lines, process: child }
  }

  test('reloads a valid file, and reports what is wrong with an invalid one without its values', async () => {
    const path = join(directory, 'callers.yaml')
    await writeFile(path, fileWith(OLD))
    const gateway = await start(path)
    const status = async (token: string) => (await send(`${gateway.url}/tasks`, { token })).status
    expect(await status(OLD)).toBe(200)

    await writeFile(path, fileWith(NEW))
    gateway.process.kill('SIGHUP')
    await gateway.said('callers reloaded')
    expect([await status(OLD), await status(NEW)]).toEqual([401, 200])

    await writeFile(path, `${fileWith('too-short')}  - { id: "no id", tokns: [] }\n`)
    gateway.process.kill('SIGHUP')
    const { problems, level } = await gateway.said('callers not reloaded')
    expect(level).toBe('error')
    expect(JSON.stringify(problems)).toMatch(/line 2.*line 3/)
    expect(await status(NEW)).toBe(200)

    await rm(path)
    gateway.process.kill('SIGHUP')
    await expect
      .poll(() => gateway.lines.filter(({ msg }) => String(msg).includes('not reloaded')).length, {
        timeout: 5_000,
      })
      .toBe(2)
    expect(await status(NEW)).toBe(200)
    const log = JSON.stringify(gateway.lines)
    for (const value of [OLD, NEW, 'too-short', path, 'emulator-key']) expect(log).not.toContain(value)
    gateway.process.kill('SIGTERM')
    expect(await once(gateway.process, 'exit')).toEqual([0, null])
  })
})
