import { createHash } from 'node:crypto'
import { type JsonObject, joinMembers } from '../domain/json.ts'

/** The argument of every tool that runs something, beside its inputs. */
export const KEY_ARGUMENT = 'idempotencyKey'

/** A key, and what distinguishes a call from others with the same key: what would be run, byte for byte. */
export function toKeyUse(
  key: string | undefined,
  ...what: (string | Buffer)[]
): { key: string; fingerprint: string } | undefined {
  if (key === undefined) return undefined
  const hash = createHash('sha256')
  for (const part of what) hash.update(part).update('\0')
  return { key, fingerprint: `mcp ${hash.digest('hex')}` }
}

/** Arguments without one of them; the others keep their bytes. */
export function withoutMember(input: JsonObject, name: string): JsonObject {
  const members = input.members.filter((member) => member.name !== name)
  if (members.length === input.members.length) return input
  const { [name]: _taken, ...value } = input.value
  return { bytes: joinMembers(members), members, value }
}
