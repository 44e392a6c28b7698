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
        stream.write(typeof json === 'string' ? toFrame(event, json) : sharedFrame(event, json))
    },
    end: () => {
      clearInterval(keepAlive)
      stream.end()
    },
  }
}

const frames = new WeakMap<Buffer, Buffer>()

/** The frame of a body of a task, made once for all that follow it; a body is sent under one name only. */
function sharedFrame(event: string, body: Buffer): Buffer {
  let frame = frames.get(body)
  if (frame === undefined) {
    frame = Buffer.from(toFrame(event, body.toString()))
    frames.set(body, frame)
  }
  return frame
}

function toFrame(event: string, json: string): string {
  return `event: ${event}\ndata: ${json.replace(/[\r\n]+/g, ' ')}\n\n`
}
