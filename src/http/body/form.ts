import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { ByteCollector } from '../../domain/byte-collector.ts'
import { toFileName } from '../../domain/file-names.ts'
import { GatewayError } from '../../errors.ts'
import type { RequestContext } from '../../services/callers/request-context.ts'
import { requireScope } from '../../services/callers/rules.ts'
import type { ByteSource } from '../../services/files/file-intake.ts'
import type { UploadedFile } from '../../services/files/finalise.ts'
import type { SentFile, Uploads } from '../../services/files/uploads.ts'
import { declaredSizeOf, parseSize } from '../request/file-size.ts'
import type { HttpExchange } from '../request/http-exchange.ts'
import { malformed } from './form-outline.ts'
import { type FormPart, FormReader } from './form-reader.ts'
import { mediaTypeOf, refuseEncodedBody } from './json-body.ts'

const MAX_FILES = 64
const MAX_FIELDS = 100
const MAX_VALUE_BYTES = 64 * 1024

const FINALISED_AT_ONCE = 4

/** The text field that says how large the file after it is. */
const SIZE_FIELD = 'size'

/** The name of a file that was sent without one. */
const NAMELESS = 'file'

/** A text field: its bytes as they came, known to be UTF-8. */
export type FormField = { name: string; value: Buffer }
export type FormFile = UploadedFile & { field: string }

/**
 * A form that was read to its end, every byte of its files in the store, in the order of the form.
 * `sha256` is there if hashing was asked for: of names and contents, so it does not depend on the boundary.
 */
export type Form = {
  fields: readonly FormField[]
  /** The name of each file's field. */
  fileFields: readonly string[]
  sha256: string | undefined
  /** Gives the files their URLs; to be called when nothing else is wrong with the form. Throws `GatewayError`. */
  finalise(): Promise<FormFile[]>
}

export type FormOptions = {
  uploads: Uploads
  /** The text field that declares the size of the file after it; left out: `size`. `null`: none. */
  sizeField?: string | null
  /** Longest values of fields, in bytes, where 64 KiB is not the limit. */
  valueLimits?: Readonly<Record<string, number>>
  /** Whether `Form.sha256` and each file's are wanted. */
  hash?: boolean
  onProgress?: (progress: { field: string; sent: number; total: number }) => void
}

/** Whether a request's body is a form with files. */
export function isForm(request: FastifyRequest): boolean {
  return mediaTypeOf(request) === 'multipart/form-data'
}

/**
 * Reads a form and sends each of its files to the store while it comes. Throws `GatewayError`: 400, 403, 408,
 * 413, 415, or what went wrong upstream.
 */
export async function receiveForm(
  { request, reply, context }: HttpExchange,
  options: FormOptions,
): Promise<Form> {
  refuseEncodedBody(request)
  if (!isForm(request)) {
    throw new GatewayError({ code: 'unsupported_media_type', expected: 'multipart/form-data' })
  }
  const intake = new FormIntake(context, options, declaredSizeOf(request))
  const releasePlace = options.uploads.acquirePlace(context)
  let reader: FormReader | undefined
  try {
    // It refuses a content type without a boundary.
    reader = new FormReader(request, reply)
    for (let part = await reader.next(); part !== undefined; part = await reader.next())
      await intake.take(part)
    return intake.finish()
  } catch (error) {
    reader?.stop()
    throw error
  } finally {
    releasePlace()
  }
}

/** What was read of a form so far. */
class FormIntake {
  readonly #context: RequestContext
  readonly #options: FormOptions
  readonly #sizeField: string | null
  readonly #hash = createHash('sha256')
  readonly #fields: FormField[] = []
  readonly #files: { field: string; sent: SentFile }[] = []
  #fieldCount = 0
  #declaredBytes: number | undefined

  constructor(context: RequestContext, options: FormOptions, declaredBytes: number | undefined) {
    this.#context = context
    this.#options = options
    this.#sizeField = options.sizeField === undefined ? SIZE_FIELD : options.sizeField
    this.#declaredBytes = declaredBytes
  }

  /** Reads a part to its end. */
  async take(part: FormPart): Promise<void> {
    if (part.filename === undefined) await this.#takeField(part)
    else await this.#takeFile(part, part.filename)
  }

  finish(): Form {
    if (this.#declaredBytes !== undefined) throw malformed('A size was declared, but no file follows.')
    return {
      fields: this.#fields,
      fileFields: this.#files.map(({ field }) => field),
      sha256: this.#options.hash ? this.#hash.digest('hex') : undefined,
      finalise: () => finaliseAll(this.#files),
    }
  }

  async #takeField({ name, body }: FormPart): Promise<void> {
    this.#fieldCount += 1
    if (this.#fieldCount > MAX_FIELDS) throw tooMany('fields', MAX_FIELDS)
    const value = await readValue(name, body, this.#options.valueLimits?.[name] ?? MAX_VALUE_BYTES)
    if (name === this.#sizeField) {
      this.#declaredBytes = parseSize(value.toString('latin1'), name)
      return
    }
    this.#fields.push({ name, value })
    if (this.#options.hash) this.#hash.update(JSON.stringify([name, value.toString('utf8')]))
  }

  async #takeFile({ name: field, body, expectedBytes }: FormPart, filename: string): Promise<void> {
    const first = await body.next()
    // A browser sends an input where no file was chosen as a file without name and bytes.
    if (filename === '' && first === undefined) return
    requireScope(this.#context.caller, 'files:write')
    if (this.#files.length >= MAX_FILES) throw tooMany('files', MAX_FILES)
    const name = filename === '' ? NAMELESS : toFileName(filename)
    if (name === undefined) throw malformed('Invalid file name.')
    const declaredBytes = this.#declaredBytes
    this.#declaredBytes = undefined
    const { uploads, hash = false, onProgress } = this.#options
    const sent = await uploads.send(this.#context, {
      name,
      source: { next: once(first, body) },
      declaredBytes,
      expectedBytes,
      hash,
      onProgress: (sentBytes, totalBytes) => onProgress?.({ field, sent: sentBytes, total: totalBytes }),
    })
    this.#files.push({ field, sent })
    if (hash) this.#hash.update(JSON.stringify([field, name, sent.sha256]))
  }
}

async function finaliseAll(files: readonly { field: string; sent: SentFile }[]): Promise<FormFile[]> {
  const finalised: FormFile[] = []
  for (let at = 0; at < files.length; at += FINALISED_AT_ONCE) {
    const some = files.slice(at, at + FINALISED_AT_ONCE)
    const named = some.map(async ({ field, sent }) => ({ field, ...(await sent.finalise()) }))
    finalised.push(...(await Promise.all(named)))
  }
  return finalised
}

/** The source with what was read of it already in front. */
function once(first: Buffer | undefined, source: ByteSource): ByteSource['next'] {
  let isRead = false
  return async () => {
    if (isRead) return source.next()
    isRead = true
    return first
  }
}

async function readValue(name: string, body: ByteSource, limitBytes: number): Promise<Buffer> {
  const collected = new ByteCollector()
  for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) {
    if (collected.bytes + chunk.length > limitBytes)
      throw new GatewayError({ code: 'too_large', what: 'The value of a field', limitBytes })
    collected.append(chunk)
  }
  const value = collected.concat()
  if (isUtf8(value)) return value
  throw new GatewayError({
    code: 'invalid_request',
    detail: 'Send the values of fields in UTF-8.',
    errors: [{ path: name, message: 'is not UTF-8' }],
  })
}

function tooMany(what: string, limit: number): GatewayError {
  return new GatewayError({
    code: 'too_large',
    detail: `The form has more than the ${limit} ${what} allowed.`,
  })
}
