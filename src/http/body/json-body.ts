import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ByteCollector } from '../../domain/byte-collector.ts'
import { toIssues } from '../../domain/issue.ts'
import { JsonError, type JsonObject, parseJsonObject } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import { bodyCut } from '../../services/files/file-intake.ts'
import { bodyDeadlinesOf } from '../request/body-deadlines.ts'
import { sendContinue } from '../request/continue.ts'
import { headerOf } from '../request/request-headers.ts'
import { BodyPace } from './body-pace.ts'

/** Reads a JSON object as the caller sent it. Throws 400, 408, 413 or 415. */
export async function readJsonObject(
  request: FastifyRequest,
  reply: FastifyReply,
  limitBytes: number,
): Promise<JsonObject> {
  return toJsonObject(await readJsonBytes(request, reply, limitBytes))
}

/** Reads a body of type JSON without parsing it. Throws 400, 408, 413 or 415. */
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

/** The same for an optional body: the official TypeScript SDK sends the type of JSON with an empty body. */
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

/** The media type of the body without parameters, in lower case; empty without a Content-Type. */
export function mediaTypeOf(request: FastifyRequest): string {
  const [type = ''] = (headerOf(request, 'content-type') ?? '').split(';')
  return type.trim().toLowerCase()
}

/** Validates a body against a schema and changes nothing: no coercion, no defaults, nothing dropped. */
export function createBodyCheck<T extends TSchema>(schema: T): (body: JsonObject) => Static<T> {
  const compiled = Compile(schema)
  return ({ value }) => {
    if (compiled.Check(value)) return value as Static<T>
    const errors = toIssues(compiled.Errors(value))
    throw new GatewayError({ code: 'invalid_request', detail: 'Invalid body.', errors })
  }
}

/** Parses what a caller sent as JSON. Throws what `toError` makes of the reason why that is no object. */
export function parseSentObject(bytes: Buffer, toError: (reason: string) => GatewayError): JsonObject {
  try {
    return parseJsonObject(bytes)
  } catch (error) {
    throw error instanceof JsonError ? toError(error.message) : error
  }
}

function toJsonObject(bytes: Buffer): JsonObject {
  return parseSentObject(bytes, (detail) => new GatewayError({ code: 'invalid_request', detail }))
}

/** Throws `unsupported_media_type` when the body is compressed. */
export function refuseEncodedBody(request: FastifyRequest): void {
  const encoding = headerOf(request, 'content-encoding')
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  throw new GatewayError({ code: 'unsupported_media_type', expected: 'bodies without Content-Encoding' })
}

/** Reads the whole body into memory, and stops at the limit. */
function collectBody(request: FastifyRequest, reply: FastifyReply, limitBytes: number): Promise<Buffer> {
  const body = request.raw
  const tooLarge = () => new GatewayError({ code: 'too_large', what: 'The body', limitBytes })
  if (Number(request.headers['content-length']) > limitBytes) return Promise.reject(tooLarge())
  sendContinue(request, reply)
  return new Promise((resolve, reject) => {
    const collected = new ByteCollector()
    const pace = new BodyPace(bodyDeadlinesOf(request), (error) => fail(error))
    const settle = (finish: () => void) => {
      pace.rest()
      body.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      finish()
    }
    const fail = (error: GatewayError) => {
      settle(() => reject(error))
      body.pause()
    }
    const onData = (chunk: Buffer) => {
      pace.came(chunk.length)
      if (collected.bytes + chunk.length > limitBytes) fail(tooLarge())
      else collected.append(chunk)
    }
    const onEnd = () => settle(() => resolve(collected.concat()))
    const onCut = () => fail(bodyCut())
    pace.wait()
    body.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}
