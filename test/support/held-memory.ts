import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { within } from './within.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The memory of this process that something still refers to, in bytes: objects, and what Buffers lie in. */
export async function heldMemory(): Promise<number> {
  // Buffers are freed one round after the objects that stand for them.
  for (let round = 0; round < 3; round++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes as a chunked body in which each has a chunk of its own; without the last chunk, which ends a body. */
export function tinyChunks(bytes: Buffer): Buffer {
  const wire = Buffer.alloc(bytes.length * 6)
  for (const [at, byte] of bytes.entries()) {
    wire.write('1\r\n', at * 6, 'latin1')
    wire[at * 6 + 3] = byte
    wire.write('\r\n', at * 6 + 4, 'latin1')
  }
  return wire
}

/** Writes all of it, however slowly the other side takes it. */
export async function writeAll(socket: Socket, bytes: Buffer, ms = 20_000): Promise<void> {
  const step = 64 * 1024
  const write = async () => {
    for (let at = 0; at < bytes.length; at += step) {
      if (!socket.write(bytes.subarray(at, at + step))) await once(socket, 'drain')
    }
  }
  await within(write(), 'the body was not taken', ms)
}
