import type { IncomingMessage } from 'node:http'

/**
 * A connection that is not read from is never seen to end: a caller that has left would stay unnoticed for as
 * long as its body is held back. So a chunk (64 KiB at most) is read now and then, up to a bound.
 */
const PROBE_MS = 40
const MAX_HELD_BYTES = 2 * 2 ** 20

/**
 * Notices a caller that leaves while its body is paused. `heldBytes`: what was read and not yet used. Returns
 * what ends it before the body does.
 */
export function probeWhilePaused(body: IncomingMessage, heldBytes: () => number): () => void {
  const probe = setInterval(() => {
    // It is paused again after the next chunk, by the same code as before.
    if (body.isPaused() && heldBytes() < MAX_HELD_BYTES) body.resume()
  }, PROBE_MS)
  const stop = () => clearInterval(probe)
  body.once('end', stop).once('close', stop)
  return stop
}
