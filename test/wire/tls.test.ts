import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { createSelfSignedCertificate } from '../support/certificate.ts'
import { environmentFor, startTestGateway } from '../support/gateway.ts'
import { endGatewayProcesses, startGatewayProcess } from '../support/gateway-process.ts'
import { runOf, send } from '../support/http.ts'
import { expectProblem } from '../support/problem.ts'

// A server that answers in upstream's name without its certificate must not see a key.

let emulator: Emulator
let impostor: Server
let url = ''
let reached = 0
beforeAll(async () => {
  emulator = await startEmulator()
  impostor = createServer(createSelfSignedCertificate('localhost'), (_request, response) => {
    reached += 1
    response.end('{"taskID":"stolen"}')
  })
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(impostor.address() as AddressInfo).port}`
})
afterEach(endGatewayProcesses)
afterAll(async () => {
  impostor.close()
  await emulator.close()
})

test('the impostor answers a client that does not check', async () => {
  const careless = new Agent({ connect: { rejectUnauthorized: false } })
  const answer = await request(url, { dispatcher: careless })
  expect(await answer.body.json()).toEqual({ taskID: 'stolen' })
  await careless.destroy()
})

test('an untrusted certificate is refused, even where http is allowed', async () => {
  reached = 0
  const gateway = await startTestGateway({ emulator, env: { OOMOL_BASE_URL: url } })
  expectProblem(await send(`${gateway.url}/run`, { body: runOf('echo') }), 502, 'upstream_unreachable')
  expectProblem(await send(`${gateway.url}/queue`), 502, 'upstream_unreachable')
  await gateway.close()
  expect(reached).toBe(0)
})

test('the environment can not switch that off', async () => {
  reached = 0
  const env = { ...environmentFor(emulator), OOMOL_BASE_URL: url, NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  const gateway = await startGatewayProcess(env)
  expectProblem(await send(`${gateway.url}/run`, { body: runOf('echo') }), 502, 'upstream_unreachable')
  expect(reached).toBe(0)
})
