import { afterAll, expect, test } from 'vitest'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { OTHER_TOKEN, startTestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

const maxBytes = 4 * 1024 * 1024
const store = createMemoryStore({ now: Date.now, maxBytes })
const gateway = await startTestGateway({ store })
afterAll(() => gateway.close())

test('large results of one caller leave room for the keys of others', async () => {
  const run = (key: string, value: unknown, token?: string) =>
    send(`${gateway.url}/run`, {
      body: runOf('echo', { value }),
      headers: { 'idempotency-key': key },
      ...(token !== undefined && { token }),
    })
  const large = 'v'.repeat(500_000)
  for (let index = 0; index < 12; index += 1) {
    expect((await run(`large-${index}`, large)).status).toBe(200)
  }
  const { bytes } = await store.usage()
  expect(bytes).toBeGreaterThan(1_000_000)
  expect(bytes).toBeLessThan(0.75 * maxBytes)
  expect((await run('key', 1, OTHER_TOKEN)).status).toBe(200)
  // A result that was not kept is asked for again.
  const again = await run('large-11', large)
  expect(again.headers['idempotency-replayed']).toBe('true')
  expect(again.json.resultData.value ?? again.json.resultData).toBeDefined()
})
