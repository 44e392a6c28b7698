import { format, inspect } from 'node:util'
import { expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'

it('shows its text only by reveal', () => {
  const secret = new Secret('canary-text')
  const holder = { apiKey: secret, list: [secret], map: new Map([['key', secret]]) }
  const prints = [
    String(secret),
    `${secret}`,
    JSON.stringify(holder),
    inspect(holder, { depth: 10, showHidden: true, customInspect: false }),
    inspect(holder, { depth: 10 }),
    format('%s %o %j %O', secret, secret, secret, holder),
    inspect(new Error('failed', { cause: holder })),
    Object.entries(secret).join(),
    inspect(structuredClone(secret)),
  ]
  for (const print of prints) expect(print).not.toContain('canary')
  expect(prints[0]).toBe('[secret]')
  expect(JSON.stringify({ secret })).toBe('{"secret":"[secret]"}')
  expect(secret.reveal()).toBe('canary-text')
})
