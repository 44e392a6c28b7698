import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { builtProgram } from '../support/built-program.ts'
import { environmentFor } from '../support/gateway.ts'
import { type Answer, runOf, send } from '../support/http.ts'
import { createSeededRandom } from '../support/seeded-random.ts'

const KILLS = 6
/** Keys are used for the first time at this pace, until some time after the last kill. */
const NEW_KEY_EVERY_MS = 25
const AFTER_LAST_KILL_MS = 2_000
/** How long a create takes: with this pace of new keys some are under way at each kill. */
const CREATE_MS = 100
/** A lost create is looked for once its process is known to be dead and its create can no longer land. */
const ANSWERED_WITHIN_MS = 40_000

let folder = ''
let emulator: Emulator
let gateway: ChildProcess | undefined
let found = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oomol-crash-'))
  emulator = await startEmulator()
}, 60_000)

afterAll(async () => {
  gateway?.kill('SIGKILL')
  await emulator?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('killed again and again under load: one task for each key, and every key answered', {
  timeout: 120_000,
}, async () => {
  const random = createSeededRandom('moments of the kills')
  let url = await startGateway()
  const lastKill = { atMs: 0 }
  const killing = (async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      // In turns: the creates under way have taken effect, or never will.
      const when = kill % 2 === 0 ? 'before-answer' : 'before-processing'
      const hasten = emulator.misbehave(
        'create',
        { kind: 'delay', ms: CREATE_MS, when },
        Number.POSITIVE_INFINITY,
      )
      await sleep(300 + 1_200 * random())
      const gone = new Promise((resolve) => gateway?.once('exit', resolve))
      gateway?.kill('SIGKILL')
      await gone
      // Not before: the emulator has seen by then whose create is gone.
      url = await startGateway()
      hasten()
    }
    lastKill.atMs = Date.now()
  })()

  const answers: Promise<Answer>[] = []
  while (lastKill.atMs === 0 || Date.now() < lastKill.atMs + AFTER_LAST_KILL_MS) {
    answers.push(retryUntilAnswered(answers.length, () => url))
    await sleep(NEW_KEY_EVERY_MS * 2 * random())
  }
  await killing

  for (const [key, answer] of (await Promise.all(answers)).entries()) {
    expect(answer.status, `key ${key}: ${answer.text}`).toBe(200)
    expect(answer.json.resultData, `key ${key}`).toEqual([expect.objectContaining({ value: { key } })])
  }
  const created = emulator
    .tasks()
    .map(({ inputValues }) => (inputValues as { value: { key: number } }).value.key)
  expect(created.sort((a, b) => a - b)).toEqual(answers.map((_, key) => key))
  // Both kinds of loss did happen: tasks that had to be found, and creates that never came to be.
  expect(found).toBeGreaterThan(0)
  expect(emulator.counts().create).toBeGreaterThan(answers.length)
})

/** The same request, with the same key, until an answer ends it. */
async function retryUntilAnswered(key: number, url: () => string): Promise<Answer> {
  const body = runOf('sleep', { seconds: 0.2, value: { key } })
  const headers = { 'idempotency-key': `key-${key}` }
  const deadlineMs = Date.now() + ANSWERED_WITHIN_MS + KILLS * 3_000
  for (;;) {
    const answer = await send(`${url()}/run?wait=5`, { body, headers }).catch(() => undefined)
    const isOver = answer?.status === 200 || answer?.status === 422 || Date.now() > deadlineMs
    if (isOver && answer !== undefined) return answer
    if (isOver) throw new Error(`key ${key} was not answered in time`)
    await sleep(200)
  }
}

/** Starts the gateway on the same store and gives its address once it listens. */
async function startGateway(): Promise<string> {
  const env = { ...environmentFor(emulator), STORE_URL: `file:${join(folder, 'data')}`, LOG_LEVEL: 'info' }
  const started = spawn(process.execPath, [builtProgram('src/main.ts')], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  gateway = started
  const lines = createInterface({ input: started.stdout })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the gateway did not listen in time')), 15_000)
    started.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)))
    lines.on('line', (line) => {
      if (line.includes('was found in the task list')) found += 1
      const url = /http:\/\/127[^"\s]+/.exec(line)?.[0]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    })
  })
}
