import { connect } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { startTestGateway, TOKEN } from '../../support/gateway.ts'
import { runOf } from '../../support/http.ts'

const gateway = await startTestGateway()
afterAll(() => gateway.close())

test('a caller of events that leaves before the first is no error, and its task is on the line', async () => {
  const body = JSON.stringify(runOf('hold'))
  gateway.emulator.misbehave('create', { kind: 'delay', ms: 300 })
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  socket.write(
    `POST /run HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${TOKEN}\r\naccept: text/event-stream\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await expect.poll(() => gateway.emulator.counts().create, { timeout: 5_000 }).toBe(1)
  socket.destroy()
  const lines = () => gateway.logs.filter(({ msg }) => msg === 'request')
  await expect.poll(() => lines().length, { timeout: 5_000 }).toBe(1)
  expect(lines()[0]).toMatchObject({ left: true, taskID: expect.any(String) })
  expect(lines()[0]).not.toHaveProperty('failure')
  expect(gateway.logs.filter(({ level }) => level === 'error' || Number(level) >= 50)).toEqual([])
  expect(gateway.gateway.polling()).toEqual({ tasks: 0, requests: 0 })
})
