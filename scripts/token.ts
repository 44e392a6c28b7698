import { randomBytes } from 'node:crypto'
import { hashToken } from '../src/domain/token.ts'

/** 256 bits can't be guessed, so a plain SHA-256 is enough to store. */
const token = randomBytes(32).toString('base64url')

console.log(`token        ${token}`)
console.log(`tokenSha256  ${hashToken(token).toString('hex')}`)
