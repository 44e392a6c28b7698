import type { ServerResponse } from 'node:http'
import { type ByteText, fromByteText, toJson } from './raw-json.ts'

/** What the emulated service would answer; sent as it is, or changed by a fault. */
export type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: ByteText | Buffer
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** An answer with a body that is JSON text already. */
export function rawJsonAnswer(body: ByteText): Answer {
  return { status: 200, body }
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, body: toJson(value) }
}

/** The service's error form: `{"message": ..., "code"?: ...}`. */
export function errorAnswer(status: number, message: string, code?: string): Answer {
  return jsonAnswer(code === undefined ? { message } : { message, code }, status)
}

export function bodyBytes(answer: Answer): Buffer {
  return typeof answer.body === 'string' ? fromByteText(answer.body) : answer.body
}

/** The headers an answer goes out with; names in lower case. */
export function headersOf(answer: Answer): Record<string, string> {
  return {
    'content-type': JSON_TYPE,
    'content-length': String(answer.body.length),
    ...answer.headers,
  }
}

/** Sends an answer, unless the client has gone. */
export function send(response: ServerResponse, answer: Answer): void {
  if (response.destroyed || response.writableEnded) return
  response.writeHead(answer.status, headersOf(answer))
  if (typeof answer.body === 'string') response.end(answer.body, 'latin1')
  else response.end(answer.body)
}
