import { PassThrough } from 'node:stream'
import type { FastifyReply } from 'fastify'

/** Server-sent events on one answer. Sending after the end, or after the caller has left, does nothing. */
export type EventStream = {
  /** `json` is one JSON text; its line breaks can only be white space between tokens. */
  send(event: string, json: string | Buffer): void
  end(): void
}

/** Begins the answer (200) and gives the stream to send on. `X-Accel-Buffering` tells nginx to pass events on at once. */
export function openEventStream(reply: FastifyReply, keepAliveMs: number): EventStream {
  const stream = new PassThrough()
  const keepAlive = setInterval(() => stream.write(': keep-alive\n\n'), keepAliveMs)
  stream.once('close', () => clearInterval(keepAlive))
  // A caller that leaves destroys the stream; nothing can be sent then.
  stream.once('error', () => clearInterval(keepAlive))
  reply.code(200).headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }).send(stream)
  return {
    send: (event, json) => {
      if (stream.writable)
        stream.write(`event: ${event}\ndata: ${json.toString().replace(/[\r\n]+/g, ' ')}\n\n`)
    },
    end: () => {
      clearInterval(keepAlive)
      stream.end()
    },
  }
}
