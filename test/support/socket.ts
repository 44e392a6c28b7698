import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until, within } from './within.ts'

/** A bare connection: what has come back so far, and how it ended. */
export type RawConnection = {
  socket: Socket
  received(): string
  /** Waits until a text has come back. */
  see(text: string): Promise<void>
  /** Waits until the connection is gone; gives all that came back. */
  closed(ms?: number): Promise<string>
}

export async function openSocket(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.setNoDelay(true)
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
  })
  // A reset shows as a close.
  socket.on('error', () => {})
  await within(once(socket, 'connect'), 'no connection')
  return {
    socket,
    received: () => received,
    see: (text) => until(() => received.includes(text), `${JSON.stringify(text)} did not come back`),
    closed: async (ms) => {
      if (!socket.closed) await within(once(socket, 'close'), 'the connection was not closed', ms)
      return received
    },
  }
}

/** Writes as fast as the other side takes it, until it takes no more; gives how many bytes were handed over. */
export async function flood(socket: Socket, limitBytes: number): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024, 0x20)
  let written = 0
  while (written < limitBytes && !socket.destroyed && socket.writable) {
    written += chunk.length
    if (!socket.write(chunk)) {
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {})
    }
  }
  return written
}
