import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const security = readFileSync(new URL('SECURITY.md', root), 'utf8')

test('every test that SECURITY.md names exists, and every promise names one', () => {
  const named = [...security.matchAll(/`(test\/[\w./-]+)`/g)].map((match) => match[1] ?? '')
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((file) => !existsSync(new URL(file, root)))).toEqual([])
  const promises = security.match(/^\| \*\*.*$/gm) ?? []
  expect(promises.length).toBeGreaterThan(7)
  expect(promises.filter((row) => !row.includes('`test/'))).toEqual([])
})
