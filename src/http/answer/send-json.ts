import type { FastifyReply } from 'fastify'

/** Sends bytes that are known to be JSON as they are. */
export function sendJson(reply: FastifyReply, bytes: Buffer): FastifyReply {
  return reply.type('application/json').send(bytes)
}
