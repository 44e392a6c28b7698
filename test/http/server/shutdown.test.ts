import { expect, test } from 'vitest'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'
import { within } from '../../support/within.ts'

test('a store whose close never ends does not delay the shutdown beyond its grace', async () => {
  const store = createMemoryStore({ now: Date.now })
  const closeStore = store.close.bind(store)
  let closes = 0
  store.close = () => {
    closes += 1
    return new Promise(() => {})
  }
  const gateway = await startTestGateway({ store, env: { SHUTDOWN_GRACE: '2s' } })
  const headers = { 'idempotency-key': 'k' }
  const answer = await send(`${gateway.url}/run`, { body: runOf('echo', { value: 1 }), headers })
  expect(answer.status).toBe(200)
  await within(gateway.gateway.close(), 'the gateway did not end', 2_000)
  expect(closes).toBe(1)
  await gateway.emulator.close()
  await closeStore()
})
