import { type Answer, errorAnswer, jsonAnswer } from './answers.ts'
import { type ApiRequest, parseObject } from './api-request.ts'
import { mimeTypeOf } from './mime-types.ts'
import { missingParts, type Upload, type UploadStore } from './uploads.ts'

const EXTENSION = /^(\.[A-Za-z0-9]{0,16})?$/
const FILE_NAME = /^[^/\\]{1,255}$/
const MAX_PARTS = 10_000

/** The paths of the presigned store. */
function partPath(uploadID: string, part: number): string {
  return `/parts/${uploadID}/${part}`
}

function filePath(upload: Upload): string {
  return `/files/${upload.uploadID}${upload.extension}`
}

type UploadApi = {
  init(request: ApiRequest): Answer
  url(request: ApiRequest): Answer
}

/** The upload API: `storeUrl` is where the presigned URLs lead. */
export function createUploadApi(deps: {
  uploads: UploadStore
  partSize: number
  storeUrl: string
}): UploadApi {
  const { uploads, partSize, storeUrl } = deps

  function signed(path: string): string {
    return `${storeUrl}${path}?signature=${uploads.sign(path)}`
  }

  return {
    init({ identity, body }) {
      const wanted = parseObject(body)
      if (wanted === undefined) return errorAnswer(400, 'the body must be a JSON object')
      const { size, file_extension: extension, file_name: name } = wanted
      if (typeof extension !== 'string' || !EXTENSION.test(extension)) {
        return errorAnswer(400, 'file_extension must be a dot and letters or digits, or empty')
      }
      if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
        return errorAnswer(400, 'size must be a whole number of bytes')
      }
      if (size > MAX_PARTS * partSize) return errorAnswer(400, 'the file is too large')
      if (name !== undefined && !(typeof name === 'string' && FILE_NAME.test(name))) {
        return errorAnswer(400, 'file_name must be 1 to 255 characters and no path')
      }
      const dot = extension === '.' ? '' : extension
      const upload = uploads.create({ identity, fileName: name ?? '', extension: dot, size })
      return jsonAnswer({ data: toTicket(upload, signed) })
    },

    url({ identity, params }) {
      const upload = uploads.find(params[0] ?? '')
      if (upload === undefined || upload.identity !== identity) return errorAnswer(404, 'upload not found')
      const missing = missingParts(upload)
      if (missing.length > 0) return errorAnswer(409, `missing parts: ${missing.join(', ')}`)
      const received = receivedBytes(upload)
      if (received !== upload.size) {
        return errorAnswer(400, `wrong size: ${upload.size} bytes announced, ${received} received`)
      }
      upload.finalised = true
      return jsonAnswer({ data: toFile(upload, signed) })
    },
  }
}

function toTicket(upload: Upload, signed: (path: string) => string) {
  const urls: Record<string, string> = {}
  for (let part = 1; part <= upload.totalParts; part++) urls[part] = signed(partPath(upload.uploadID, part))
  return {
    upload_id: upload.uploadID,
    part_size: upload.partSize,
    total_parts: upload.totalParts,
    presigned_urls: urls,
  }
}

function toFile(upload: Upload, signed: (path: string) => string) {
  return {
    url: signed(filePath(upload)),
    expires_at: new Date(upload.expiresAt).toISOString(),
    file_name: `${upload.fileName || upload.uploadID}${upload.extension}`,
    file_size: upload.size,
    mime_type: mimeTypeOf(upload.extension),
  }
}

function receivedBytes(upload: Upload): number {
  let bytes = 0
  for (const part of upload.parts.values()) bytes += part.size
  return bytes
}
