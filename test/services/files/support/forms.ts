import { createHash, randomBytes } from 'node:crypto'
import { type Answer, send } from '../../../support/http.ts'

const BOUNDARY = 'test-boundary'
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`

/** One part as it is to be written: header lines as they are, and the bytes. */
export type RawPart = { head: string; body: Buffer | string }

export function field(name: string, value: string): RawPart {
  return { head: `Content-Disposition: form-data; name="${name}"`, body: value }
}

export function file(name: string, filename: string, body: Buffer | string): RawPart {
  const head = `Content-Disposition: form-data; name="${name}"; filename="${filename}"`
  return { head: `${head}\r\nContent-Type: application/octet-stream`, body }
}

/** A whole form. `end` is what comes after the last part's bytes and the line end. */
export function formOf(parts: readonly RawPart[], options: { boundary?: string; end?: string } = {}): Buffer {
  const { boundary = BOUNDARY, end = `--${boundary}--\r\n` } = options
  const pieces = parts.flatMap(({ head, body }) => [
    Buffer.from(`--${boundary}\r\n${head}${head === '' ? '' : '\r\n'}\r\n`),
    Buffer.from(body),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from(end)])
}

export function postForm(
  url: string,
  body: Buffer,
  headers: Record<string, string> = {},
  token?: string,
): Promise<Answer> {
  const options = { method: 'POST' as const, headers: { 'content-type': FORM_TYPE, ...headers }, body }
  return send(url, token === undefined ? options : { ...options, token })
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Bytes that hold whatever can stand in a file, what looks like a boundary among them. */
export function someBytes(length: number): Buffer {
  const bytes = randomBytes(length)
  const lure = Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}X\r\n\r\n--\r`)
  for (let at = 1000; at + lure.length < length; at += 65_521) lure.copy(bytes, at)
  return bytes
}
