import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createConnector, ForbiddenAddressError } from '../../src/cloud/connector.ts'
import { createHttpClient, TransportError } from '../../src/cloud/http-client.ts'

let server: Server
let port = 0
let connections = 0
beforeAll(async () => {
  server = createServer((_request, response) => response.end('{}'))
  server.on('connection', () => {
    connections += 1
  })
  // On every address of this machine, so that each of its names would lead here.
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.close()
})

const connectTo = (target: string, allowInsecure: boolean): Promise<Error | null> => {
  const { hostname, protocol, host } = new URL(target)
  const connect = createConnector({ allowInsecure, connectTimeoutMs: 2_000 })
  return new Promise((resolve) =>
    connect({ hostname, protocol, host, port: String(port) }, (error, socket) => {
      socket?.destroy()
      resolve(error)
    }),
  )
}

test.each([
  'https://127.0.0.1',
  'https://0.0.0.0',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://[fc00::1]',
  'https://[fe80::1]',
  'https://169.254.169.254',
  'https://100.64.0.1',
  'https://2130706433',
  'https://0x7f.1',
  'https://localhost',
  'http://127.0.0.1',
  'http://8.8.8.8',
])('%s is not connected to', async (target) => {
  connections = 0
  expect(await connectTo(target, false)).toBeInstanceOf(ForbiddenAddressError)
  expect(connections).toBe(0)
})

test('where it is allowed the same address is connected to', async () => {
  expect(await connectTo('http://127.0.0.1', true)).toBeNull()
  expect(await connectTo('http://localhost', true)).toBeNull()
})

test('a call to a forbidden address is unreachable, and nothing of it was sent', async () => {
  const client = createHttpClient({ allowInsecure: false })
  const call = client.call({
    origin: `https://127.0.0.1:${port}`,
    path: '/',
    method: 'GET',
    headers: [],
    deadlineMs: 2_000,
    maxAnswerBytes: 100,
  })
  await expect(call).rejects.toMatchObject({ kind: 'unreachable', sent: false })
  await client.close()
})

test('a client that was closed makes no calls any more', async () => {
  const client = createHttpClient({ allowInsecure: true })
  const call = () =>
    client.call({
      origin: `http://127.0.0.1:${port}`,
      path: '/',
      method: 'GET',
      headers: [],
      deadlineMs: 2_000,
      maxAnswerBytes: 100,
    })
  expect((await call()).status).toBe(200)
  await client.close()
  connections = 0
  await expect(call()).rejects.toBeInstanceOf(TransportError)
  await expect(call()).rejects.toMatchObject({ kind: 'aborted', sent: false })
  expect(connections).toBe(0)
})
