import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Looks without progress after which a connection is cut. Looks are counted, not time, which passes while a process stands still. */
const LOOKS = 5

const cut = new WeakSet<Socket>()

/** Whether a connection was cut because its caller does not read: what was written to it counts as finished then, and is not. */
export function wasCut(socket: Socket): boolean {
  return cut.has(socket)
}

/** What a connection had sent and still had to send at the last look, in bytes. */
type Seen = { flushed: number; queued: number; looks: number }

/**
 * Cuts connections whose caller does not read: for `stalledMs` (and up to a fifth longer) something was to be written,
 * and not one byte of it left. What is written meanwhile, such as comments that keep a stream open, is no progress.
 */
export function cutStalledReaders(server: Server, stalledMs: number): void {
  const sockets = new Map<Socket, Seen>()
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, { flushed: 0, queued: 0, looks: 0 })
    socket.once('close', () => sockets.delete(socket))
  })
  const timer = setInterval(() => {
    for (const [socket, seen] of sockets) {
      if (!isStalled(socket, seen)) continue
      cut.add(socket)
      socket.destroy()
    }
  }, stalledMs / LOOKS)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

function isStalled(socket: Socket, seen: Seen): boolean {
  const queued = queuedBytes(socket)
  const flushed = socket.bytesWritten - socket.writableLength
  const isStill = queued > 0 && queued === seen.queued && flushed === seen.flushed
  seen.looks = isStill ? seen.looks + 1 : 0
  seen.queued = queued
  seen.flushed = flushed
  return seen.looks >= LOOKS
}

/**
 * What the system has not taken yet of the write under way. Node has no public name for it, and its own idle timeout
 * reads it the same way; without it, a large write that a slow caller reads bit by bit would look like one that stands.
 */
function queuedBytes(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize?: number } | null }
  return handle?.writeQueueSize ?? socket.writableLength
}
