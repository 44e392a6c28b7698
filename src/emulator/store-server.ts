import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Answer, errorAnswer } from './answers.ts'
import type { FaultPlan } from './faults.ts'
import { mimeTypeOf } from './mime-types.ts'
import { type Exchange, pause } from './misbehave.ts'
import type { Operation } from './operations.ts'
import type { RecordedRequest, Recorder } from './recorder.ts'
import { drainBody, serve, splitTarget } from './serve.ts'
import { createPartIntake, partSizeOf, type StoredPart, type Upload, type UploadStore } from './uploads.ts'

/** A presigned PUT that carried a credential all the same. */
export type Violation = {
  readonly path: string
  readonly header: 'authorization' | 'cookie'
  readonly at: number
}

export type StoreServerParts = {
  readonly recorder: Recorder
  readonly faults: FaultPlan
  readonly uploads: UploadStore
  readonly violations: Violation[]
  /** Each PUT takes so much longer. */
  readonly delayMs: number
  /** Off: parts of any size are taken, and finalising finds it out. */
  readonly checkPartSizes: boolean
  readonly now: () => number
}

/** One request at the store; `signature` is the query's. */
type StoreRequest = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly signature: string | null
  readonly record: RecordedRequest
}

const PART_PATH = /^\/parts\/([0-9a-f-]{36})\/([1-9]\d{0,4})$/
const FILE_PATH = /^\/files\/([0-9a-f-]{36})(?:\.[A-Za-z0-9]{1,16})?$/

/** Any page may upload to a presigned URL: it carries its own right, and no credential. */
const CORS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag' }
const PREFLIGHT = {
  ...CORS,
  'access-control-allow-methods': 'GET, HEAD, PUT',
  'access-control-allow-headers': '*',
  'access-control-max-age': '600',
}

/** Serves presigned parts and stored files, on a port of their own. */
export function createStoreListener(parts: StoreServerParts): RequestListener {
  return (request, response) => {
    request.on('error', ignore)
    response.on('error', ignore)
    const { path, query } = splitTarget(request)
    if (request.method === 'OPTIONS' && (PART_PATH.test(path) || FILE_PATH.test(path))) {
      response.writeHead(204, PREFLIGHT).end()
      return
    }
    const operation = operationOf(request.method, path)
    const record = parts.recorder.head(operation, request)
    parts.recorder.arrive(record)
    const signature = new URLSearchParams(query).get('signature')
    serve(
      parts.faults.take(operation).fault,
      createExchange(parts, operation, { request, response, path, signature, record }),
    )
  }
}

function ignore(): void {}

function operationOf(method: string | undefined, path: string): Operation {
  if (method === 'PUT' && PART_PATH.test(path)) return 'part'
  if ((method === 'GET' || method === 'HEAD') && FILE_PATH.test(path)) return 'file'
  return 'unknown'
}

function createExchange(parts: StoreServerParts, operation: Operation, asked: StoreRequest): Exchange {
  async function process(): Promise<Answer> {
    const answer = operation === 'part' ? await takePart(parts, asked) : answerOther(parts, operation, asked)
    return { ...answer, headers: { ...CORS, ...answer.headers } }
  }
  return {
    operation,
    request: asked.request,
    response: asked.response,
    process,
    drain: () => drainBody(asked.request),
  }
}

function answerOther(parts: StoreServerParts, operation: Operation, asked: StoreRequest): Answer {
  return operation === 'file' ? readFile(parts, asked) : errorAnswer(404, 'not found')
}

async function takePart(parts: StoreServerParts, asked: StoreRequest): Promise<Answer> {
  const target = findTarget(parts, asked)
  if ('status' in target) return target
  const stored = await receive(parts.uploads, asked)
  if (parts.delayMs > 0) await pause(asked.response, parts.delayMs)
  if (stored === undefined) return errorAnswer(400, 'the part did not come whole')
  parts.uploads.putPart(target.upload, target.number, stored)
  return { status: 200, headers: { etag: `"${stored.sha256?.slice(0, 32) ?? stored.size}"` }, body: '' }
}

/** Which part of which upload is meant, or why it is refused; all of this is known from the head. */
function findTarget(
  parts: StoreServerParts,
  asked: StoreRequest,
): { upload: Upload; number: number } | Answer {
  const violation = findViolation(asked, parts.now())
  if (violation !== undefined) {
    parts.violations.push(violation)
    return errorAnswer(403, `a presigned URL takes no ${violation.header} header`)
  }
  if (!parts.uploads.isSigned(asked.path, asked.signature)) return errorAnswer(403, 'wrong signature')
  const [, uploadID = '', digits = ''] = PART_PATH.exec(asked.path) ?? []
  const upload = parts.uploads.find(uploadID)
  const number = Number(digits)
  if (upload === undefined || number > upload.totalParts) return errorAnswer(404, 'upload not found')
  if (upload.finalised) return errorAnswer(409, 'the upload is finished')
  const length = asked.request.headers['content-length']
  if (length === undefined) return errorAnswer(411, 'Content-Length is needed')
  const size = partSizeOf(upload, number)
  if (parts.checkPartSizes && Number(length) !== size) {
    return errorAnswer(400, `part ${number} must be ${size} bytes, not ${length}`)
  }
  return { upload, number }
}

function findViolation({ request, path }: StoreRequest, at: number): Violation | undefined {
  if (request.headers.authorization !== undefined) return { path, header: 'authorization', at }
  if (request.headers.cookie !== undefined) return { path, header: 'cookie', at }
  return undefined
}

/** Reads a part as it comes; undefined when the client goes before its end. */
function receive(uploads: UploadStore, { request, record }: StoreRequest): Promise<StoredPart | undefined> {
  const intake = createPartIntake(uploads)
  return new Promise((resolve) => {
    request.on('data', (chunk: Buffer) => {
      record.bytes += chunk.length
      intake.take(chunk)
    })
    request.once('end', () => {
      const stored = intake.finish()
      record.sha256 = stored.sha256
      resolve(stored)
    })
    request.once('close', () => resolve(undefined))
  })
}

function readFile({ uploads }: StoreServerParts, { path, signature }: StoreRequest): Answer {
  if (!uploads.isSigned(path, signature)) return errorAnswer(403, 'wrong signature')
  const upload = uploads.find(FILE_PATH.exec(path)?.[1] ?? '')
  if (upload === undefined || !upload.finalised) return errorAnswer(404, 'file not found')
  const bytes = uploads.bytesOf(upload)
  if (bytes === undefined) return errorAnswer(410, 'the bytes of this file are not kept')
  return { status: 200, headers: { 'content-type': mimeTypeOf(upload.extension) }, body: bytes }
}
