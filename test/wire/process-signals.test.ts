import { existsSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor } from '../support/gateway.ts'
import { endGatewayProcesses, spawnGateway, startGatewayProcess } from '../support/gateway-process.ts'
import { until, within } from '../support/within.ts'

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator()
})
afterEach(endGatewayProcesses)
afterAll(() => emulator?.close())

const FATAL = ['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE', 'SIGILL'] as const

test.each(FATAL)('%s ends the process at once, by that signal', async (signal) => {
  const { child, exit } = await startGatewayProcess({ ...environmentFor(emulator), SHUTDOWN_GRACE: '20s' })
  child.kill(signal)
  await within(exit, 'it did not end', 2_000)
  expect([child.exitCode, child.signalCode]).toEqual([null, signal])
})

/**
 * Whether our own handlers stand, as the system says. Asked for SIGHUP, which is the last of them and none that
 * Node handles by itself.
 */
function handlesSignals(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return (BigInt(`0x${mask}`) & 1n) === 1n
}

test.runIf(existsSync('/proc/self/status'))('SIGTERM is heard long before the gateway listens', async () => {
  const { child, exit, output } = spawnGateway(environmentFor(emulator))
  await until(() => handlesSignals(child.pid ?? 0), 'there are no handlers')
  child.kill('SIGTERM')
  expect(await within(exit, 'it did not end', 4_000)).toBe(0)
  // It had not come to that: what is slow is loaded after the handlers.
  expect(output()).toBe('')
})

test.runIf(existsSync('/proc/self/status'))(
  'SIGHUP while it starts does not end it',
  async () => {
    const { child, exit, output } = spawnGateway(environmentFor(emulator))
    await until(() => handlesSignals(child.pid ?? 0), 'there are no handlers')
    child.kill('SIGHUP')
    await until(() => output().includes('listening at'), 'it did not start', 15_000)
    await until(() => output().includes('callers reloaded'), 'it forgot the signal')
    child.kill('SIGTERM')
    expect(await within(exit, 'it did not end', 8_000)).toBe(0)
  },
  30_000,
)
