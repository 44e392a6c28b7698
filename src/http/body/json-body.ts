import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { JsonError, type JsonObject, parseJsonObject } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import { toIssues } from '../answer/issues.ts'
import { sendContinue } from '../request/continue.ts'
import { headerOf } from '../request/request-headers.ts'
import { bodyCut, bodyDeadlinesOf, bodyTooSlow } from './body-limits.ts'

/** Reads a JSON object as the caller sent it. Throws 400, 408, 413 or 415. */
export async function readJsonObject(
  request: FastifyRequest,
  reply: FastifyReply,
  limitBytes: number,
): Promise<JsonObject> {
  return toJsonObject(await readJsonBytes(request, reply, limitBytes))
}

/** Reads a body that is announced as JSON, without parsing it. Throws 400, 408, 413 or 415. */
export async function readJsonBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  limitBytes: number,
): Promise<Buffer> {
  refuseEncodedBody(request)
  if (mediaTypeOf(request) !== 'application/json') {
    throw new GatewayError({ code: 'unsupported_media_type', expected: 'application/json' })
  }
  return collectBody(request, reply, limitBytes)
}

/** The same where a body may be left out: the official TypeScript SDK announces JSON and sends nothing. */
export async function readOptionalJsonObject(
  request: FastifyRequest,
  reply: FastifyReply,
  limitBytes: number,
): Promise<JsonObject | undefined> {
  refuseEncodedBody(request)
  const bytes = await collectBody(request, reply, limitBytes)
  if (bytes.length === 0) return undefined
  if (mediaTypeOf(request) !== 'application/json') {
    throw new GatewayError({ code: 'unsupported_media_type', expected: 'application/json, or no body' })
  }
  return toJsonObject(bytes)
}

/** The type of the body without its parameters, in lower case; empty when it names none. */
export function mediaTypeOf(request: FastifyRequest): string {
  const [type = ''] = (headerOf(request, 'content-type') ?? '').split(';')
  return type.trim().toLowerCase()
}

/** A check of parsed JSON against a schema that changes nothing: no coercion, no defaults, nothing dropped. */
export function createBodyCheck<T extends TSchema>(schema: T): (body: JsonObject) => Static<T> {
  const compiled = Compile(schema)
  return ({ value }) => {
    if (compiled.Check(value)) return value as Static<T>
    const errors = toIssues(compiled.Errors(value))
    throw new GatewayError({ code: 'invalid_request', detail: 'The body is not as documented.', errors })
  }
}

function toJsonObject(bytes: Buffer): JsonObject {
  try {
    return parseJsonObject(bytes)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new GatewayError({ code: 'invalid_request', detail: error.message })
  }
}

/** Throws `unsupported_media_type` when the body is compressed. */
export function refuseEncodedBody(request: FastifyRequest): void {
  const encoding = headerOf(request, 'content-encoding')
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  throw new GatewayError({ code: 'unsupported_media_type', expected: 'bodies without Content-Encoding' })
}

/** The whole body in memory, counted while it comes. */
function collectBody(request: FastifyRequest, reply: FastifyReply, limitBytes: number): Promise<Buffer> {
  const body = request.raw
  const tooLarge = () => new GatewayError({ code: 'too_large', what: 'The body', limitBytes })
  if (Number(request.headers['content-length']) > limitBytes) return Promise.reject(tooLarge())
  sendContinue(request, reply)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (finish: () => void) => {
      clearTimeout(timer)
      body.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      finish()
    }
    const fail = (error: GatewayError) => {
      settle(() => reject(error))
      body.pause()
    }
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limitBytes) fail(tooLarge())
      else chunks.push(chunk)
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, bytes)))
    const onCut = () => fail(bodyCut())
    const timer = setTimeout(() => fail(bodyTooSlow()), bodyDeadlinesOf(request).bodyMs)
    body.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}
