import { afterEach, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { send } from '../../support/http.ts'

let gateway: TestGateway
afterEach(() => gateway.close())

const from = (address: string) => ({ 'x-forwarded-for': address })
const guess = (at: number, headers = {}) =>
  send(`${gateway.url}/tasks`, { token: `wrong-token-number-${at}-aaaaaaaa`, headers })

/** Statuses of so many wrong tokens, one after another. */
async function guesses(count: number, headersOf: (at: number) => object = () => ({})): Promise<number[]> {
  const statuses: number[] = []
  for (let at = 0; at < count; at++) statuses.push((await guess(at, headersOf(at))).status)
  return statuses
}

test('an address may send twenty wrong tokens a minute; valid tokens keep working', async () => {
  gateway = await startTestGateway()
  expect(await guesses(20)).toEqual(Array(20).fill(401))
  const refused = await guess(21)
  expect([refused.status, refused.json.code]).toEqual([429, 'rate_limited'])
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect((await send(`${gateway.url}/tasks`)).status).toBe(200)
  // A request without a token does not count.
  expect((await send(`${gateway.url}/tasks`, { token: null })).status).toBe(401)
})

test('valid tokens and missing tokens do not count', async () => {
  gateway = await startTestGateway()
  for (let at = 0; at < 30; at++) {
    await send(`${gateway.url}/tasks`)
    await send(`${gateway.url}/tasks`, { token: null })
  }
  expect(await guesses(1)).toEqual([401])
})

test('X-Forwarded-For from an untrusted peer changes nothing', async () => {
  gateway = await startTestGateway()
  const statuses = await guesses(22, (at) => from(`203.0.113.${at}`))
  expect(statuses.slice(20)).toEqual([429, 429])
})

test('behind a trusted proxy each address that the proxy saw has its own count', async () => {
  gateway = await startTestGateway({ env: { TRUST_PROXY: '127.0.0.1' } })
  expect(await guesses(21, () => from('203.0.113.1'))).toEqual([...Array(20).fill(401), 429])
  expect((await guess(1, from('203.0.113.2'))).status).toBe(401)
  // Entries that the caller put before the proxy's own are ignored.
  expect((await guess(1, from('198.51.100.9, 203.0.113.1'))).status).toBe(429)
})

test('an IPv6 address counts as its /64 network', async () => {
  gateway = await startTestGateway({ env: { TRUST_PROXY: '127.0.0.1' } })
  const statuses = await guesses(21, (at) => from(`2001:db8:1:2::${at + 1}`))
  expect(statuses.at(-1)).toBe(429)
  expect((await guess(1, from('2001:db8:1:3::1'))).status).toBe(401)
})
