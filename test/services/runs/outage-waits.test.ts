import { afterEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { runOf, send } from '../../support/http.ts'

const started: TestGateway[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

test('a wait for a task that was never seen ends with its time, however long upstream is down', {
  timeout: 30_000,
}, async () => {
  const gateway = await startTestGateway()
  started.push(gateway)
  const { url, emulator } = gateway
  const bodies = Array.from({ length: 12 }, () => send(`${url}/tasks`, { body: runOf('hold') }))
  const ids = (await Promise.all(bodies)).map(({ json }) => json.taskID as string)
  emulator.misbehave(
    'result',
    { kind: 'status', status: 503, headers: { 'retry-after': '20' } },
    Number.POSITIVE_INFINITY,
  )
  const ask = async (id: string) => {
    const begunMs = Date.now()
    const { status } = await send(`${url}/tasks/${id}/result?wait=1`)
    return { status, ms: Date.now() - begunMs }
  }
  const together = await Promise.all(ids.slice(0, 10).map(ask))
  const later = await Promise.all(ids.slice(10).map(ask))
  for (const { status, ms } of [...together, ...later]) {
    expect(status).toBe(503)
    expect(ms).toBeLessThan(4_000)
  }
})
