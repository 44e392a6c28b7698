import { afterEach, expect, test } from 'vitest'
import { GatewayError } from '../../../src/errors.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { OTHER_TOKEN, startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

const started: TestGateway[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

/** A store that refuses to write down who owns a task, as often as told. */
function createFailingStore(failing: { left: number }): Store {
  const store = createMemoryStore({ now: Date.now })
  const put = store.put.bind(store)
  store.put = async (space, ...entry) => {
    if (space === 'owners' && failing.left-- > 0) throw new GatewayError({ code: 'store_unavailable' })
    return put(space, ...entry)
  }
  return store
}

test.each([
  ['without a key', {}],
  ['with a key', { 'idempotency-key': 'k' }],
])(
  'a task %s is its caller’s to see at once, and written down once the store is back',
  async (_name, headers) => {
    const gateway = await startTestGateway({ store: createFailingStore({ left: 3 }) })
    started.push(gateway)
    const created = await send(`${gateway.url}/tasks`, { body: runOf('hold'), headers })
    expect(created.status).toBe(202)
    const { taskID } = created.json
    expect((await send(`${gateway.url}/tasks/${taskID}`)).status).toBe(200)
    expect((await send(`${gateway.url}/tasks/${taskID}`, { token: OTHER_TOKEN })).status).toBe(404)
    expect(await gateway.store.get('owners', taskID)).toBe(undefined)
    await expect.poll(() => gateway.store.get('owners', taskID), { timeout: 5_000 }).toBe('app')
  },
)
