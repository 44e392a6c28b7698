import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { environmentFor } from '../support/gateway.ts'
import { endGatewayProcesses, spawnGateway } from '../support/gateway-process.ts'
import { runOf, send } from '../support/http.ts'
import { until, within } from '../support/within.ts'

/** The log can't be written: the gateway answers all the same, ends with its code, and counts what was lost. */

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator()
})
afterEach(endGatewayProcesses)
afterAll(() => emulator?.close())

/** A port that was free a moment ago: a log that nobody reads can't tell it. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function settings() {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const env = { ...environmentFor(emulator), PORT: String(port), METRICS_PORT: String(metricsPort) }
  const lostLines = async () => {
    const { text } = await send(`http://127.0.0.1:${metricsPort}/metrics`, { token: null })
    return Number(/^log_lines_lost_total (\d+)$/m.exec(text)?.[1])
  }
  return { env: { ...env, SHUTDOWN_GRACE: '4s' }, url: `http://127.0.0.1:${port}`, lostLines }
}

async function untilAlive(url: string): Promise<void> {
  let isAlive = false
  const ask = async () => {
    while (!isAlive) {
      await send(`${url}/livez`).then(
        () => (isAlive = true),
        () => new Promise((resolve) => setTimeout(resolve, 50)),
      )
    }
  }
  await within(ask(), 'the gateway did not start', 15_000)
}

async function expectRunning(url: string): Promise<void> {
  for (let run = 0; run < 3; run += 1) {
    const answer = await within(send(`${url}/run`, { body: runOf('echo', { run }) }), 'no answer')
    expect(answer.status).toBe(200)
  }
}

test.runIf(existsSync('/dev/full'))(
  'a full disk',
  async () => {
    const { env, url, lostLines } = await settings()
    const full = openSync('/dev/full', 'w')
    const { child, exit } = spawnGateway(env, { stdout: full })
    closeSync(full)
    await untilAlive(url)
    await expectRunning(url)
    expect(await lostLines()).toBeGreaterThan(3)
    child.kill('SIGTERM')
    expect(await within(exit, 'it did not end', 6_000)).toBe(0)
  },
  30_000,
)

test('a reader that has gone', async () => {
  const { env, url, lostLines } = await settings()
  const { child, exit } = spawnGateway(env)
  child.stdout?.destroy()
  await untilAlive(url)
  await expectRunning(url)
  await expect.poll(lostLines).toBeGreaterThan(3)
  child.kill('SIGTERM')
  expect(await within(exit, 'it did not end', 6_000)).toBe(0)
}, 30_000)

test('a reader that does not read', async () => {
  const { env, url } = await settings()
  // A shell that holds the other end of a pipe without ever reading it.
  const holder = spawn('sh', ['-c', 'exec sleep 60'], { stdio: ['pipe', 'ignore', 'ignore'] })
  try {
    const end = (holder.stdin as unknown as { _handle: { fd: number } })._handle.fd
    const { child, exit } = spawnGateway(env, { stdout: end })
    await untilAlive(url)
    // More than the pipe holds, at 150 bytes a line and more; what the gateway keeps is a matter of its unit test.
    for (let asked = 0; asked < 1_000; asked += 100) {
      await Promise.all(Array.from({ length: 100 }, () => send(`${url}/livez`)))
    }
    await expectRunning(url)
    child.kill('SIGTERM')
    expect(await within(exit, 'it did not end', 8_000)).toBe(0)
  } finally {
    holder.kill('SIGKILL')
  }
}, 60_000)

test('what is read is whole, to the last line', async () => {
  const { child, exit, output } = spawnGateway(environmentFor(emulator))
  await until(() => output().includes('listening at'), 'the gateway did not start', 15_000)
  child.kill('SIGTERM')
  expect(await within(exit, 'it did not end', 8_000)).toBe(0)
  const lines = output().trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line).msg).at(-1)).toBe('shut down')
})
