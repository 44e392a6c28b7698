import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../errors.ts'
import { headerOf } from './request-headers.ts'

/** What `X-File-Size` says, in bytes; undefined when it is not there. Throws `invalid_request`. */
export function declaredSizeOf(request: FastifyRequest): number | undefined {
  const header = headerOf(request, 'x-file-size')
  return header === undefined ? undefined : parseSize(header, 'x-file-size')
}

/** A whole number of bytes; `path` is where it was said. Throws `invalid_request`. */
export function parseSize(text: string, path: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const errors = [{ path, message: 'must be a whole number of bytes' }]
  throw new GatewayError({ code: 'invalid_request', detail: 'Invalid declared size.', errors })
}
