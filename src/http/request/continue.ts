import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a caller that is still sending may take to see the answer before its connection goes. */
const LINGER_MS = 500

const awaitingContinue = new WeakSet<IncomingMessage>()

/** For the server's `checkContinue`: the 100 is held back until somebody wants the body. */
export function deferContinue(request: IncomingMessage): void {
  awaitingContinue.add(request)
}

/** Tells a caller that sent `Expect: 100-continue` to go on; called where the body is about to be read. */
export function sendContinue(request: FastifyRequest, reply: FastifyReply): void {
  if (awaitingContinue.delete(request.raw)) reply.raw.writeContinue()
}

/**
 * For every answer, before it is sent: when its request's body has not been read, the connection ends with
 * the answer instead of swallowing the rest. The caller gets a moment to read the answer, because closing
 * on bytes that are still coming in would reset the connection and take the answer away.
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
