import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { within } from '../support/within.ts'
import { call, createBody, KEY, post, sendRaw, start, TASKS } from './client.ts'

const MIB = 1024 * 1024

describe('hostile input', () => {
  it.each([
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['a header without end', `GET / HTTP/1.1\r\nHost: e\r\nX: ${'a'.repeat(100_000)}`],
    ['two lengths', `POST ${TASKS} HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na`],
    ['a broken chunk', `POST ${TASKS} HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ['a target that is a URL', 'GET http://evil.example/ HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n'],
    ['a star', 'OPTIONS * HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n'],
    ['a tunnel', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: e\r\n\r\n'],
    ['an upgrade', 'GET / HTTP/1.1\r\nHost: e\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n'],
    ['an expectation', `GET / HTTP/1.1\r\nHost: e\r\nExpect: nonsense\r\nConnection: close\r\n\r\n`],
  ])('of %s does no harm on either port', async (_name, text) => {
    const emulator = await start()
    for (const url of [emulator.url, emulator.storeUrl]) {
      const { received } = await sendRaw(url, text)
      expect(received).not.toMatch(/^HTTP\/1.1 2/)
    }
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
  })

  it.each([
    [
      'nested deep',
      createBody('echo').replace('}', `,"inputValues":{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}}`),
      200,
    ],
    [
      'with __proto__',
      createBody('echo').replace('}', ',"__proto__":{"type":"x"},"inputValues":{"__proto__":1}}'),
      200,
    ],
    ['of NUL bytes', '\0\0\0', 400],
    ['of a number', '1e999', 400],
  ])('JSON %s is handled', async (_name, body, status) => {
    const emulator = await start()
    expect((await call('POST', emulator.url + TASKS, { body })).status).toBe(status)
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
  })

  it('of more than 64 MiB is refused while it comes', async () => {
    const emulator = await start()
    const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1')
    const answered = new Promise<string>((resolve, reject) => {
      socket.once('data', (chunk) => resolve(chunk.toString('latin1')))
      socket.once('error', reject)
    })
    socket.write(
      `POST ${TASKS} HTTP/1.1\r\nHost: e\r\nAuthorization: ${KEY}\r\nContent-Length: 999999999\r\n\r\n`,
    )
    for (let sent = 0; sent <= 65; sent++) {
      if (!socket.write(Buffer.alloc(MIB))) {
        await Promise.race([answered, new Promise((resolve) => socket.once('drain', resolve))])
      }
    }
    expect(await within(answered, 'there was no answer')).toMatch(/^HTTP\/1.1 413 /)
    socket.destroy()
    expect(emulator.requests('create')[0]?.body).toHaveLength(0)
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
  })

  it('of a client that goes at any moment does no harm', async () => {
    const emulator = await start()
    const text = post(TASKS, createBody('echo'))
    for (let length = 1; length <= text.length; length += 7) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1', () => {
          socket.write(text.slice(0, length), () => socket.resetAndDestroy())
        })
        socket.once('close', () => resolve())
      })
    }
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
  })

  it('of a client that goes during a fault ends the fault', async () => {
    const emulator = await start()
    const faults = [
      { kind: 'drip', intervalMs: 1 },
      { kind: 'endless-103', intervalMs: 1 },
      { kind: 'huge', bytes: 50 * MIB },
      { kind: 'delay', ms: 60_000 },
      { kind: 'hang' },
    ] as const
    for (const fault of faults) {
      emulator.misbehave('list', fault)
      const arrived = emulator.arrived('list')
      const socket = connect(Number(new URL(emulator.url).port), '127.0.0.1', () => {
        socket.write(`GET ${TASKS} HTTP/1.1\r\nHost: e\r\nAuthorization: ${KEY}\r\n\r\n`)
      })
      await within(arrived, 'the request did not arrive')
      socket.resetAndDestroy()
    }
    expect((await call('GET', emulator.url + TASKS)).status).toBe(200)
    await within(emulator.close(), 'the emulator did not close')
  })
})

describe('ports', () => {
  it('of others are not taken, and none stays open', async () => {
    const emulator = await start()
    const port = Number(new URL(emulator.url).port)
    const probe = await start()
    const storePort = Number(new URL(probe.storeUrl).port)
    await probe.close()
    await expect(startEmulator({ port, storePort })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(startEmulator({ storePort: port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect((await start({ storePort })).storeUrl).toBe(probe.storeUrl)
  })

  it('are free again after closing, which may be done twice', async () => {
    const emulator = await start()
    const port = Number(new URL(emulator.url).port)
    const storePort = Number(new URL(emulator.storeUrl).port)
    await Promise.all([emulator.close(), emulator.close()])
    const again = await start({ port, storePort })
    expect(again.url).toBe(emulator.url)
  })
})
