import type { FastifyReply } from 'fastify'

/** Sends bytes that are known to be JSON, unchanged. */
export function sendJson(reply: FastifyReply, bytes: Buffer): FastifyReply {
  return reply.type('application/json').send(bytes)
}
