import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a caller that is still sending has to read the answer before its connection is closed. */
const LINGER_MS = 500

const awaitingContinue = new WeakSet<IncomingMessage>()

/** For the server's `checkContinue`: defers the 100 until a route reads the body. */
export function deferContinue(request: IncomingMessage): void {
  awaitingContinue.add(request)
}

/** Sends the deferred 100 to a caller that waits for one; called just before the body is read. */
export function sendContinue(request: FastifyRequest, reply: FastifyReply): void {
  if (awaitingContinue.delete(request.raw)) reply.raw.writeContinue()
}

/**
 * For every answer, before it is sent: if the request's body was not read, closes the connection with the answer
 * instead of reading the rest. The close is delayed, because closing while bytes arrive resets the connection and
 * the caller would lose the answer.
 */
export function closeIfUnread(request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.complete || !announcesBody(request.raw)) return
  reply.header('connection', 'close')
  const { socket } = request.raw
  socket.destroySoon = () => {
    socket.pause()
    socket.end()
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}

function announcesBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}
