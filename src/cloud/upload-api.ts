import { isJsonObject } from '../domain/json.ts'
import { isUploadID } from '../domain/names.ts'
import { toUploadPlan, type UploadPlan } from '../domain/upload-plan.ts'
import { GatewayError } from '../errors.ts'
import { type CallContext, type Upstream, type UpstreamAnswer, unreadable } from './upstream.ts'

/** A file to upload, as it is described to upstream. */
type NewUpload = {
  sizeBytes: number
  /** With its dot, or empty. */
  extension: string
  /** The name without the extension; empty: none. */
  baseName: string
}

/** A file that is there, as upstream describes it; `expiresAt` is an ISO date. */
type StoredFile = { url: string; mimeType: string; expiresAt: string | null }

/** The upload API (`oomol-api.md`). Everything throws `GatewayError`; ids were checked with `isUploadID`. */
export type UploadApi = {
  init(context: CallContext, upload: NewUpload): Promise<UploadPlan>
  /** Finalises the upload: gives its URL once every part is there. */
  url(context: CallContext, uploadID: string, sizeBytes: number): Promise<StoredFile>
  /** Sends a body as it is and gives upstream's own answer. */
  nativeInit(context: CallContext, body: Buffer): Promise<{ uploadID: string; answer: UpstreamAnswer }>
  nativeUrl(context: CallContext, uploadID: string): Promise<UpstreamAnswer>
}

export function createUploadApi(upstream: Upstream, options: { allowInsecure: boolean }): UploadApi {
  const init = (context: CallContext, body: Buffer) =>
    upstream.call(context, { operation: 'upload-init', method: 'POST', path: '/init', body })
  const url = (context: CallContext, uploadID: string) =>
    upstream.call(context, { operation: 'upload-url', method: 'GET', path: `/${uploadID}/url` })

  return {
    init: async (context, upload) => {
      const body = toInitBody(upload)
      // An upload that was begun and is not used costs nothing, so a broken connection may be retried.
      const answer = await init(context, body).catch((error: unknown) => {
        if (!isUnreachable(error) || context.signal?.aborted) throw error
        return init(context, body)
      })
      const plan = toUploadPlan(answer.value, upload.sizeBytes, options)
      if (plan === undefined) throw unreadable('upload-init')
      return plan
    },
    url: async (context, uploadID, sizeBytes) => {
      const file = toStoredFile((await url(context, uploadID)).value, sizeBytes)
      if (file === undefined) throw unreadable('upload-url')
      return file
    },
    nativeInit: async (context, body) => {
      const answer = await init(context, body)
      const data = isJsonObject(answer.value) ? answer.value.data : undefined
      const uploadID = isJsonObject(data) ? data.upload_id : undefined
      if (typeof uploadID !== 'string' || !isUploadID(uploadID)) throw unreadable('upload-init')
      return { uploadID, answer }
    },
    nativeUrl: url,
  }
}

/** As the SDKs send it: a file without an extension has the extension ".". */
function toInitBody({ sizeBytes, extension, baseName }: NewUpload): Buffer {
  const name = baseName === '' ? {} : { file_name: baseName }
  return Buffer.from(JSON.stringify({ file_extension: extension || '.', size: sizeBytes, ...name }))
}

function isUnreachable(error: unknown): boolean {
  return error instanceof GatewayError && error.failure.code === 'upstream_unreachable'
}

function toStoredFile(answer: unknown, sizeBytes: number): StoredFile | undefined {
  const data = isJsonObject(answer) ? answer.data : undefined
  if (!isJsonObject(data)) return undefined
  const { url, expires_at: expiresAt, file_size: fileSize, mime_type: mimeType } = data
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  // A file of another size is not the one that was sent.
  if (typeof fileSize === 'number' && fileSize !== sizeBytes) return undefined
  return {
    url,
    mimeType: typeof mimeType === 'string' && mimeType !== '' ? mimeType : 'application/octet-stream',
    expiresAt: typeof expiresAt === 'string' ? expiresAt : null,
  }
}
