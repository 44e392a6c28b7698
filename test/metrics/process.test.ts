import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { builtProgram } from '../support/built-program.ts'

const START_MS = 20_000

test(
  'a METRICS_PORT that is taken ends the start, by name',
  async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const env = {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      METRICS_PORT: String(port),
      GATEWAY_TOKENS: 'app:test-token-aaaaaaaaaaaaaaaa',
      OOMOL_API_KEY: 'emulator-key',
      STORE_URL: 'memory:',
    }
    const child = spawn(process.execPath, [builtProgram('src/main.ts')], { env })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    const deadline = setTimeout(() => child.kill('SIGKILL'), START_MS)
    const [code] = await once(child, 'close')
    clearTimeout(deadline)
    taken.close()
    expect([code, output]).toEqual([1, expect.stringContaining("can't listen on HOST and METRICS_PORT")])
  },
  START_MS + 5_000,
)
