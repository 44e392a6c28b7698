import { expect, test } from 'vitest'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'
import { within } from '../../support/within.ts'

test('a store that hangs does not delay the shutdown beyond its grace', async () => {
  const store = createMemoryStore({ now: Date.now })
  const gateway = await startTestGateway({
    store: { ...store, close: () => new Promise(() => {}) },
    env: { SHUTDOWN_GRACE: '2s' },
  })
  expect((await send(`${gateway.url}/livez`)).status).toBe(200)
  await within(gateway.gateway.close(), 'the gateway did not end within its grace', 2_000)
  await gateway.emulator.close()
  await store.close()
})
