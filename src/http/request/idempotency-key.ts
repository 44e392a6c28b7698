import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { IDEMPOTENCY_KEY_RULE, isIdempotencyKey } from '../../domain/names.ts'
import { headerOf, invalidHeader } from './request-headers.ts'

/** The caller's `Idempotency-Key`, if it sent one. Throws `invalid_request` when it is malformed. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = headerOf(request, 'idempotency-key')
  if (key === undefined || isIdempotencyKey(key)) return key
  throw invalidHeader('idempotency-key', IDEMPOTENCY_KEY_RULE)
}

/**
 * A hash that distinguishes requests under the same key: of the route, the parameters of the path and the body.
 * For a body that is not kept in memory, pass the hashes of its parts.
 */
export function fingerprintOf(request: FastifyRequest, ...parts: (Buffer | string)[]): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([request.method, request.routeOptions.url, request.params]))
  for (const part of parts) hash.update(`\n${Buffer.byteLength(part)}\n`).update(part)
  return hash.digest('base64url')
}
