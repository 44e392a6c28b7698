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

/** Bytes of a body that nobody asked for which are read and thrown away. */
const MAX_DISCARDED_BYTES = 64 * 1024

/**
 * For a request that waits and takes no body: throws away what it sends all the same, because a connection that is not
 * read does not show that its caller has left. Cuts one that sends more than 64 KiB.
 */
export function discardBody({ raw }: FastifyRequest): void {
  if (raw.complete || !announcesBody(raw)) return
  let bytes = 0
  raw.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_DISCARDED_BYTES) raw.socket.destroy()
  })
}

function announcesBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}
