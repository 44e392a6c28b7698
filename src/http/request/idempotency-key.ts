import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { headerOf, invalidHeader } from './request-headers.ts'

const KEY = /^[\x21-\x7e]{1,255}$/

/** The caller's `Idempotency-Key`, if it sent one. Throws `invalid_request` when it is no key. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = headerOf(request, 'idempotency-key')
  if (key === undefined || KEY.test(key)) return key
  throw invalidHeader('idempotency-key', 'must be 1 to 255 visible ASCII characters')
}

/**
 * What tells one request from another under the same key: its route, the parameters of its path, and its
 * body; of a body that is not held in memory, the hashes of its parts.
 */
export function fingerprintOf(request: FastifyRequest, ...parts: (Buffer | string)[]): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([request.method, request.routeOptions.url, request.params]))
  for (const part of parts) hash.update(`\n${Buffer.byteLength(part)}\n`).update(part)
  return hash.digest('base64url')
}
