import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../../errors.ts'

/** What the head of a part says. `filename` is undefined for a text field, and may be empty. */
export type PartHead = { name: string; filename: string | undefined }

const MAX_NAME_BYTES = 100

/** RFC 2046, section 5.1.1: 1 to 70 of these, the last not a space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/
/** One parameter: `; name=token` or `; name="quoted"` with backslashes. Linear: each alternative begins differently. */
const PARAMETER = /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/y
const EXTENDED_VALUE = /^utf-8'[A-Za-z0-9-]*'(.*)$/i
const IDENTITY_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary'])

/** The boundary named by a multipart content type. Throws `invalid_request`. */
export function parseBoundary(contentType: string): string {
  const semicolon = contentType.indexOf(';')
  const parameters = semicolon < 0 ? undefined : parseParameters(contentType.slice(semicolon))
  const boundary = parameters?.get('boundary')
  if (boundary !== undefined && BOUNDARY.test(boundary)) return boundary
  throw invalid('The content type names no boundary of 1 to 70 allowed characters.')
}

/** Reads the head of a part of a form. Throws `invalid_request` or `too_large`. */
export function parsePartHead(bytes: Buffer): PartHead {
  if (!isUtf8(bytes)) throw invalid('The head of a part is not UTF-8.')
  const headers = parseHeaders(bytes.toString('utf8'))
  const encoding = headers.get('content-transfer-encoding')?.toLowerCase()
  if (encoding !== undefined && !IDENTITY_ENCODINGS.has(encoding)) {
    throw invalid('A part has a Content-Transfer-Encoding, which forms do not have.')
  }
  const disposition = headers.get('content-disposition')
  if (disposition === undefined) throw invalid('A part has no Content-Disposition.')
  const type = /^form-data(?=[ \t;]|$)/i.exec(disposition)
  const parameters = type === null ? undefined : parseParameters(disposition.slice(type[0].length))
  const name = parameters?.get('name')
  if (parameters === undefined || name === undefined || name === '') {
    throw invalid('A Content-Disposition is not one of a form, or has no name.')
  }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new GatewayError({ code: 'too_large', what: 'The name of a field', limitBytes: MAX_NAME_BYTES })
  }
  return { name, filename: filenameOf(parameters) }
}

/** RFC 5987's form goes before the plain one, which is there for those who can't read it. */
function filenameOf(parameters: ReadonlyMap<string, string>): string | undefined {
  const extended = parameters.get('filename*')
  if (extended === undefined) return parameters.get('filename')
  const encoded = EXTENDED_VALUE.exec(extended)?.[1]
  try {
    if (encoded !== undefined) return decodeURIComponent(encoded)
  } catch {
    // Not percent-encoded UTF-8: refused below.
  }
  throw invalid("The filename* of a part is not UTF-8''percent-encoded.")
}

function parseHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of text === '' ? [] : text.split('\r\n')) {
    const [, name, value] = HEADER_LINE.exec(line) ?? []
    // A lone line break or a NUL would be read differently by others.
    if (name === undefined || value === undefined || /[\r\n\0]/.test(line)) {
      throw invalid('A header line of a part can not be read.')
    }
    const key = name.toLowerCase()
    if (headers.has(key)) throw invalid(`A header of a part stands twice.`)
    headers.set(key, value)
  }
  return headers
}

/** Parameters by their names in lower case; undefined when they can't be read, or one stands twice. */
function parseParameters(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>()
  const end = text.replace(/[ \t;]+$/, '').length
  for (let at = 0; at < end; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at
    const match = PARAMETER.exec(text)
    const name = match?.[1]?.toLowerCase()
    if (match === null || name === undefined || parameters.has(name)) return undefined
    parameters.set(name, match[3] ?? unquote(match[2] ?? ''))
  }
  return parameters
}

/** Only quotes and backslashes are escaped; other backslashes are those of a Windows path. */
function unquote(text: string): string {
  return text.replace(/\\(["\\])/g, '$1')
}

function invalid(detail: string): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail })
}
