import { Type } from 'typebox'
import { isFileName } from '../../domain/file-names.ts'
import { isUploadID } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import type { UploadedFile } from '../../services/files/finalise.ts'
import type { Uploads } from '../../services/files/uploads.ts'
import { sendJson } from '../answer/send-json.ts'
import { BodyReader } from '../body/body-reader.ts'
import { receiveForm } from '../body/form.ts'
import { createBodyCheck, readJsonObject, refuseEncodedBody } from '../body/json-body.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import { json, jsonBody, NoQuery, problems, UpstreamObject } from '../openapi/schemas.ts'
import { declaredSizeOf } from '../request/file-size.ts'
import { toContext, toHttpExchange } from '../request/http-exchange.ts'
import { invalidHeader } from '../request/request-headers.ts'

/** The JSON body of a native init is a few short members. */
const INIT_BODY_LIMIT_BYTES = 64 * 1024

const FILE = {
  name: Type.String(),
  url: Type.String({ description: 'Where the file is; give it to a run as an input.' }),
  size: Type.Integer({ description: 'Bytes.' }),
  mimeType: Type.String(),
  expiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
}
const File = Type.Object(FILE)
const Files = Type.Object({ files: Type.Array(Type.Object({ field: Type.String(), ...FILE })) })

const FileBytes = Type.String({ format: 'binary' })
const SizeHeader = Type.Object({
  'X-File-Size': Type.Optional(
    Type.String({ description: 'Bytes of the (first) file, where its size is not known otherwise.' }),
  ),
})

/** `POST /files`: one or more files as a form. */
export function postFiles(uploads: Uploads): Route {
  return defineRoute({
    method: 'POST',
    url: '/files',
    config: { scope: 'files:write' },
    schema: {
      summary: 'Upload files',
      tags: ['files'],
      querystring: NoQuery,
      headers: SizeHeader,
      body: {
        content: {
          'multipart/form-data': {
            schema: Type.Object(
              { size: Type.Optional(Type.String({ description: 'Bytes of the file that follows.' })) },
              { additionalProperties: FileBytes },
            ),
          },
        },
      },
      response: { 201: json('The files are there, for a day.', Files), ...problems(402, 408, 413, 415, 422) },
    },
    handler: async (request, reply) => {
      const form = await receiveForm(toHttpExchange(request, reply), { uploads })
      const errors = form.fields.map(({ name }) => ({ path: name, message: 'must be a file' }))
      if (errors.length === 0 && form.fileFields.length === 0)
        errors.push({ path: '', message: 'must have a file' })
      if (errors.length > 0) {
        throw new GatewayError({ code: 'invalid_request', detail: 'Invalid form.', errors })
      }
      const files = await form.finalise()
      return reply.code(201).send({ files: files.map((file) => ({ field: file.field, ...toFile(file) })) })
    },
  })
}

/** `PUT /files/{name}`: one file as the raw body. */
export function putFile(uploads: Uploads): Route {
  return defineRoute({
    method: 'PUT',
    url: '/files/:name',
    config: { scope: 'files:write' },
    schema: {
      summary: 'Upload a file as the body',
      tags: ['files'],
      params: Type.Object({ name: Type.String({ description: 'report.pdf' }) }),
      querystring: NoQuery,
      headers: SizeHeader,
      body: { content: { 'application/octet-stream': { schema: FileBytes } } },
      response: { 201: json('The file is there, for a day.', File), ...problems(402, 408, 413, 415, 422) },
    },
    handler: async (request, reply) => {
      const { name } = request.params
      if (!isFileName(name)) {
        const errors = [
          { path: 'name', message: 'must be a file name without slashes or control characters' },
        ]
        throw new GatewayError({ code: 'invalid_request', detail: 'Invalid file name.', errors })
      }
      refuseEncodedBody(request)
      const context = toContext(request, reply)
      const declaredBytes = declaredSizeOf(request)
      const length = lengthOf(request.headers)
      if (declaredBytes !== undefined && length !== undefined && declaredBytes !== length) {
        throw invalidHeader('x-file-size', 'must be the length of the body')
      }
      refuseTooLarge(length, uploads.limitBytes(context))
      const releasePlace = uploads.acquirePlace(context)
      const body = new BodyReader(request, reply)
      try {
        const file = { name, source: body, declaredBytes: length ?? declaredBytes, expectedBytes: undefined }
        const sent = await uploads.send(context, file)
        return reply.code(201).send(toFile(await sent.finalise()))
      } catch (error) {
        body.stop()
        throw error
      } finally {
        releasePlace()
      }
    },
  })
}

const NativeInitBody = Type.Object({
  file_extension: Type.String({ description: 'With its dot.' }),
  size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
  file_name: Type.Optional(Type.String({ description: 'Without the extension.' })),
})
const checkInitBody = createBodyCheck(NativeInitBody)

/** `POST …/init` as upstream has it: the caller sends the parts itself, straight to the store. */
export function nativeUploadInit(uploads: Uploads): Route {
  return defineRoute({
    method: 'POST',
    url: '/api/tasks/files/remote-cache/init',
    config: { scope: 'files:write' },
    schema: {
      summary: 'Begin an upload',
      tags: ['native'],
      querystring: NoQuery,
      body: jsonBody(NativeInitBody),
      response: {
        200: json('Where to send the parts.', UpstreamObject),
        ...problems(402, 408, 413, 415, 422),
      },
    },
    handler: async (request, reply) => {
      const body = await readJsonObject(request, reply, INIT_BODY_LIMIT_BYTES)
      const { size } = checkInitBody(body)
      uploads.refuseNew()
      const bytes = await uploads.nativeInit(toContext(request, reply), body.bytes, size)
      return sendJson(reply, bytes)
    },
  })
}

/** `GET …/{uploadID}/url` as upstream has it. */
export function nativeUploadUrl(uploads: Uploads): Route {
  return defineRoute({
    method: 'GET',
    url: '/api/tasks/files/remote-cache/:uploadID/url',
    config: { scope: 'files:write' },
    schema: {
      summary: 'Finish an upload',
      tags: ['native'],
      params: Type.Object({ uploadID: Type.String({ description: 'As the init gave it.' }) }),
      querystring: NoQuery,
      response: { 200: json('Where the file is.', UpstreamObject), ...problems(404, 409, 422) },
    },
    handler: async (request, reply) => {
      const { uploadID } = request.params
      if (!isUploadID(uploadID)) throw new GatewayError({ code: 'not_found', what: 'upload' })
      return sendJson(reply, await uploads.nativeUrl(toContext(request, reply), uploadID))
    },
  })
}

/** A body without either header is one of no bytes. */
function lengthOf(headers: { 'content-length'?: string; 'transfer-encoding'?: string }): number | undefined {
  if (headers['content-length'] !== undefined) return Number(headers['content-length'])
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

function refuseTooLarge(bytes: number | undefined, limitBytes: number): void {
  if (bytes === undefined || bytes <= limitBytes) return
  throw new GatewayError({ code: 'too_large', what: 'The file', limitBytes })
}

function toFile({ name, url, size, mimeType, expiresAt }: UploadedFile) {
  return { name, url, size, mimeType, expiresAt }
}
