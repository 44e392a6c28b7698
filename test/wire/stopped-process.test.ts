import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor } from '../support/gateway.ts'
import { endGatewayProcesses, startGatewayProcess } from '../support/gateway-process.ts'
import { runOf, send } from '../support/http.ts'
import { until, within } from '../support/within.ts'

// A machine that sleeps, or a process that is stopped and goes on: all its deadlines are over at once.

const WAIT_SECONDS = 1
/** Longer than the wait, by more than what a busy process is late by. */
const STOPPED_MS = 3_000

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator()
}, 60_000)
afterEach(endGatewayProcesses)
afterAll(async () => {
  await emulator?.close()
})

test.each([
  ['ended meanwhile', true, 200],
  ['still goes on', false, 202],
])(
  'a wait that was over while the process stood still is answered for a run that %s',
  async (_what, ends, status) => {
    const { url, child } = await startGatewayProcess(environmentFor(emulator))
    emulator.resetCounts()
    const asking = send(`${url}/run?wait=${WAIT_SECONDS}`, { body: runOf('hold') })
    await until(() => emulator.counts().result > 0, 'the task was not polled')
    child.kill('SIGSTOP')
    const taskID = emulator.tasks().at(-1)?.taskID ?? ''
    if (ends) emulator.finish(taskID, { status: 'success', resultData: { value: 7 } })
    await sleep(STOPPED_MS)
    child.kill('SIGCONT')
    const answer = await within(asking, 'it was not answered', 4_000)
    expect([answer.status, answer.json.taskID]).toEqual([status, taskID])
  },
  30_000,
)
