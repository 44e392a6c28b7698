import type { Static } from 'typebox'
import { isFileName } from '../domain/file-names.ts'
import type { Uploads } from '../services/files/uploads.ts'
import { invalidArguments, type Tool, toStructuredOutput } from './tool.ts'
import { UploadInput, UploadOutput } from './tool-schemas.ts'

/** The tool that uploads a file; its size is bounded by the body it comes in. */
export function createFileTools(uploads: Uploads): Tool[] {
  return [
    {
      name: 'upload_file',
      title: 'Upload a file',
      description: 'Uploads a small file and gives the URL by which it can be an input of a block.',
      scope: 'files:write',
      effect: 'writes',
      waits: false,
      input: UploadInput,
      output: UploadOutput,
      run: async ({ context, input }) => {
        const { name, content } = input.value as Static<typeof UploadInput>
        if (!isFileName(name)) throw invalidArguments([{ path: '/name', message: 'must be a file name' }])
        const bytes = toBytes(content)
        const releasePlace = uploads.acquirePlace(context)
        try {
          const size = { declaredBytes: bytes.length, expectedBytes: undefined }
          const sent = await uploads.send(context, { name, source: createSource(bytes), ...size })
          const { url, mimeType, expiresAt } = await sent.finalise()
          return toStructuredOutput({ name, url, size: bytes.length, mimeType, expiresAt })
        } finally {
          releasePlace()
        }
      },
    },
  ]
}

/** Node decodes any text; one that is not base64 (RFC 4648, section 4) would become another file. */
function toBytes(content: string): Buffer {
  const isBase64 = content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(content)
  if (!isBase64)
    throw invalidArguments([{ path: '/content', message: 'must be base64 (RFC 4648, section 4)' }])
  return Buffer.from(content, 'base64')
}

/** The bytes of a file that are all in memory already. */
function createSource(bytes: Buffer) {
  const chunks = bytes.length === 0 ? [] : [bytes]
  return { next: async () => chunks.shift() }
}
