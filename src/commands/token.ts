import { randomBytes } from 'node:crypto'
import { hashToken } from '../domain/token.ts'
import { readOptions } from './arguments.ts'
import { type CommandContext, EXIT_OK } from './command.ts'

/** `oomol-gateway token`: a fresh token and its hash. 256 bits can't be guessed, so a plain SHA-256 is enough to keep. */
export async function token({ args, print }: CommandContext): Promise<number> {
  readOptions(args, {})
  const fresh = randomBytes(32).toString('base64url')
  print(`token        ${fresh}`)
  print(`tokenSha256  ${hashToken(fresh).toString('hex')}`)
  return EXIT_OK
}
