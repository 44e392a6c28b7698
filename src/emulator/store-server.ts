import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Answer, errorAnswer } from './answers.ts'
import type { FaultPlan } from './faults.ts'
import { mimeTypeOf } from './mime-types.ts'
import { type EmulatedCall, pause } from './misbehave.ts'
import type { Operation } from './operation-names.ts'
import type { Recorder } from './recorder.ts'
import type { RecordedRequest } from './request-history.ts'
import { drainBody, serve, splitTarget } from './serve.ts'
import { createPartIntake, type StoredPart } from './stored-part.ts'
import { partSizeOf, type Upload, type UploadStore } from './uploads.ts'

/** A presigned PUT that carried a credential, although its URL is its only right. `at` is epoch milliseconds. */
export type Violation = {
  readonly path: string
  readonly header: 'authorization' | 'cookie'
  readonly at: number
}

type StoreServerDeps = {
  readonly recorder: Recorder
  readonly faults: FaultPlan
  readonly uploads: UploadStore
  readonly violations: Violation[]
  /** Added to each PUT, in milliseconds. */
  readonly delayMs: number
  /** Off: parts of any size are accepted, and finalising reports a wrong total. */
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

/** Any page may upload to a presigned URL: the URL is the right, and no credential goes with it. */
const CORS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag' }
const PREFLIGHT = {
  ...CORS,
  'access-control-allow-methods': 'GET, HEAD, PUT',
  'access-control-allow-headers': '*',
  'access-control-max-age': '600',
}

/** Serves presigned parts and stored files, on a port of their own. */
export function createStoreListener(deps: StoreServerDeps): RequestListener {
  return (request, response) => {
    request.on('error', ignore)
    response.on('error', ignore)
    const { path, query } = splitTarget(request)
    if (request.method === 'OPTIONS' && (PART_PATH.test(path) || FILE_PATH.test(path))) {
      response.writeHead(204, PREFLIGHT).end()
      return
    }
    const operation = operationOf(request.method, path)
    const record = deps.recorder.head(operation, request)
    deps.recorder.arrive(record)
    const signature = new URLSearchParams(query).get('signature')
    serve(
      deps.faults.take(operation).fault,
      createCall(deps, operation, { request, response, path, signature, record }),
    )
  }
}

function ignore(): void {}

function operationOf(method: string | undefined, path: string): Operation {
  if (method === 'PUT' && PART_PATH.test(path)) return 'part'
  if ((method === 'GET' || method === 'HEAD') && FILE_PATH.test(path)) return 'file'
  return 'unknown'
}

function createCall(deps: StoreServerDeps, operation: Operation, asked: StoreRequest): EmulatedCall {
  async function process(): Promise<Answer> {
    const answer = operation === 'part' ? await takePart(deps, asked) : answerOther(deps, operation, asked)
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

function answerOther(deps: StoreServerDeps, operation: Operation, asked: StoreRequest): Answer {
  return operation === 'file' ? readFile(deps, asked) : errorAnswer(404, 'not found')
}

async function takePart(deps: StoreServerDeps, asked: StoreRequest): Promise<Answer> {
  const target = findTarget(deps, asked)
  if ('status' in target) return target
  const stored = await receive(deps.uploads, asked)
  if (deps.delayMs > 0) await pause(asked.response, deps.delayMs)
  if (stored === undefined) return errorAnswer(400, 'the part did not come whole')
  deps.uploads.putPart(target.upload, target.number, stored)
  return { status: 200, headers: { etag: `"${stored.sha256?.slice(0, 32) ?? stored.size}"` }, body: '' }
}

/** The part and its upload, or why the request is refused; the head is enough to know. */
function findTarget(deps: StoreServerDeps, asked: StoreRequest): { upload: Upload; number: number } | Answer {
  const violation = findViolation(asked, deps.now())
  if (violation !== undefined) {
    deps.violations.push(violation)
    return errorAnswer(403, `a presigned URL takes no ${violation.header} header`)
  }
  if (!deps.uploads.isSigned(asked.path, asked.signature)) return errorAnswer(403, 'wrong signature')
  const [, uploadID = '', digits = ''] = PART_PATH.exec(asked.path) ?? []
  const upload = deps.uploads.find(uploadID)
  const number = Number(digits)
  if (upload === undefined || number > upload.totalParts) return errorAnswer(404, 'upload not found')
  if (upload.finalised) return errorAnswer(409, 'the upload is finished')
  const length = asked.request.headers['content-length']
  if (length === undefined) return errorAnswer(411, 'Content-Length is needed')
  const size = partSizeOf(upload, number)
  if (deps.checkPartSizes && Number(length) !== size) {
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

function readFile({ uploads }: StoreServerDeps, { path, signature }: StoreRequest): Answer {
  if (!uploads.isSigned(path, signature)) return errorAnswer(403, 'wrong signature')
  const upload = uploads.find(FILE_PATH.exec(path)?.[1] ?? '')
  if (upload === undefined || !upload.finalised) return errorAnswer(404, 'file not found')
  const bytes = uploads.bytesOf(upload)
  if (bytes === undefined) return errorAnswer(410, 'the bytes of this file are not kept')
  return { status: 200, headers: { 'content-type': mimeTypeOf(upload.extension) }, body: bytes }
}
