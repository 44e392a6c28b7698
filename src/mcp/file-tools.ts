import type { Static } from 'typebox'
import { GatewayError } from '../errors.ts'
import type { RequestContext } from '../services/caller.ts'
import type { Tool } from './tool.ts'
import { UploadInput, UploadOutput } from './tool-schemas.ts'

/** A file that was uploaded; `size` is bytes, `expiresAt` an ISO date. */
export type UploadedFile = { name: string; url: string; size: number; mimeType: string; expiresAt: string }

/** Uploads bytes that are in memory. Throws `GatewayError`. */
export type UploadBytes = (context: RequestContext, name: string, bytes: Buffer) => Promise<UploadedFile>

/** The tool that uploads a file; its size is bounded by the body it comes in. */
export function createFileTools(upload: UploadBytes): Tool[] {
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
        const { url, size, mimeType, expiresAt } = await upload(context, name, toBytes(content))
        const said = { name, url, size, mimeType, expiresAt }
        return { structured: said, text: JSON.stringify(said) }
      },
    },
  ]
}

/** Node decodes whatever it is given; what is no base64 (RFC 4648, section 4) would be another file. */
function toBytes(content: string): Buffer {
  if (content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(content))
    return Buffer.from(content, 'base64')
  const errors = [{ path: '/content', message: 'is no base64' }]
  throw new GatewayError({
    code: 'invalid_request',
    detail: 'The arguments are not as the tool describes them.',
    errors,
  })
}
