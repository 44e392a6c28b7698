import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor } from '../support/gateway.ts'
import { endGatewayProcesses, startGatewayProcess } from '../support/gateway-process.ts'
import { runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'
import { until } from '../support/within.ts'

let emulator: Emulator
let folder = ''
beforeAll(async () => {
  emulator = await startEmulator()
  folder = mkdtempSync(join(tmpdir(), 'oomol-full-'))
}, 60_000)
afterEach(endGatewayProcesses)
afterAll(async () => {
  await emulator?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Records of some size, so that the free pages of the file are used up soon. */
const INPUTS = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`name${index}`, index]))

/**
 * Lets no file of the process grow beyond so many bytes: to a program that is a disk that is full (a write fails),
 * it needs no rights, and it can be lifted again. Node ignores the signal that comes with it.
 */
function limitFiles(pid: number | undefined, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
}

function count(text: string, part: string): number {
  return text.split(part).length - 1
}

test('a full disk under the store costs keyed requests only, and heals', { timeout: 60_000 }, async () => {
  const env = { ...environmentFor(emulator), STORE_URL: `file:${folder}` }
  const { url, child, output, exit } = await startGatewayProcess(env)
  let keys = 0
  const create = (headers: Record<string, string> = {}) =>
    send(`${url}/tasks`, { body: runOf('hold', INPUTS), headers })
  const createKeyed = () => create({ 'idempotency-key': `key-${++keys}` })
  expect((await createKeyed()).status).toBe(202)

  limitFiles(child.pid, statSync(join(folder, 'data.mdb')).size)
  let refused = await createKeyed()
  while (refused.status === 202 && keys < 200) refused = await createKeyed()
  expectProblem(refused, 503, 'store_unavailable')
  expect(refused.headers['retry-after']).toBeDefined()
  const createsBefore = emulator.counts().create
  const many = await Promise.all(Array.from({ length: 30 }, createKeyed))
  expect(many.map(({ status }) => status)).toEqual(many.map(() => 503))
  expect(emulator.counts().create).toBe(createsBefore)

  const unkeyed = await create()
  expect(unkeyed.status).toBe(202)
  const look = async (at: string) => (await send(`${at}/tasks/${unkeyed.json.taskID}`)).status
  expect(await look(url)).toBe(200)
  expect((await send(`${url}/livez`)).status).toBe(200)
  expect(child.exitCode).toBe(null)
  expect(count(output(), 'store away')).toBe(1)

  limitFiles(child.pid, 'unlimited')
  await expect.poll(async () => (await createKeyed()).status, { timeout: 10_000 }).toBe(202)
  await until(() => output().includes('store back'), 'nothing was said of that')
  // The owner that could not be written is written meanwhile: another process knows it.
  const other = await startGatewayProcess(env)
  await expect.poll(() => look(other.url), { timeout: 5_000 }).toBe(200)
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})
