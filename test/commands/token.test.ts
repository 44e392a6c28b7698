import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { isToken } from '../../src/domain/token.ts'

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** What `npm run token` prints, without npm. */
async function printToken(): Promise<{ token: string; hash: string }> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, 'token'], {
    timeout: 10_000,
  })
  const match = /^token +(\S+)\ntokenSha256 +([0-9a-f]{64})\n$/.exec(stdout)
  return { token: match?.[1] ?? '', hash: match?.[2] ?? '' }
}

it('prints a fresh token of 32 bytes and its hash', async () => {
  const [first, second] = await Promise.all([printToken(), printToken()])
  expect(Buffer.from(first.token, 'base64url')).toHaveLength(32)
  expect(isToken(first.token)).toBe(true)
  expect(first.hash).toBe(createHash('sha256').update(first.token).digest('hex'))
  expect(second.token).not.toBe(first.token)
})
