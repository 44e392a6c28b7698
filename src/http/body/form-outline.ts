import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../../errors.ts'

const MAX_HEAD_BYTES = 8 * 1024
/** What comes before the first boundary and after the last one means nothing, so little of it is taken. */
const MAX_MARGIN_BYTES = 8 * 1024

const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const CLOSING = Buffer.from('--')
const CR = 0x0d

/** RFC 2046, section 5.1.1: 1 to 70 of these, the last not a space. */
const BOUNDARY =
  /;[ \t]*boundary=("?)([0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?])\1[ \t]*(?:;|$)/i

/** Header lines, each after its line break; a folded one, or one without a colon, ends the library's reading. */
const HEAD = /^(?:\r\n[^\s:]+:[^\r\n\0]*)+$/
const DISPOSITION = /\r\ncontent-disposition:[ \t]*([^\r\n]*)/i
const EXTENDED_FILE_NAME = /;[ \t]*filename\*[ \t]*=[ \t]*([^;]*)/i
const UTF8_VALUE = /^utf-8'[A-Za-z0-9-]*'(.*)$/i

/** The boundary named by a multipart content type. Throws `invalid_request`. */
export function parseBoundary(contentType: string): string {
  const boundary = BOUNDARY.exec(contentType)?.[2]
  if (boundary !== undefined && contentType.match(/boundary=/gi)?.length === 1) return boundary
  throw malformed('The content type must name one boundary of 1 to 70 allowed characters.')
}

/**
 * Where the parts of a form begin. The library that takes a form apart does not say so, leaves out parts whose
 * head it can't read, and cuts long heads, all without an error: this follows the same bytes and notices.
 */
export class FormOutline {
  readonly #delimiter: Buffer
  #state: 'preamble' | 'head' | 'content' | 'epilogue' = 'preamble'
  /** Bytes not yet decided on; first the line end that the first delimiter may leave out. */
  #rest: Buffer = CRLF
  /** Where `#rest` begins in the body. */
  #position = -CRLF.length
  #closedAt = 0
  readonly #offsets: number[] = []

  /** `boundary` is as `parseBoundary` gave it. */
  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** Where the content of each part begins in the body, in bytes; of those seen so far. */
  get offsets(): readonly number[] {
    return this.#offsets
  }

  get isClosed(): boolean {
    return this.#state === 'epilogue'
  }

  /** How many bytes end a form after its last part, as every client that we know of writes it. */
  get closingBytes(): number {
    return this.#delimiter.length + CLOSING.length + CRLF.length
  }

  /** Takes the next bytes of the body. Throws `invalid_request` or `too_large`. */
  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let goesOn = true
    while (goesOn) goesOn = this.#state === 'head' ? this.#takeHead() : this.#takeUpToDelimiter()
    if (this.#state === 'preamble') checkMargin(this.#position)
    if (this.#state === 'epilogue') checkMargin(this.#position - this.#closedAt)
  }

  /** After a delimiter. False when more bytes are needed to go on. */
  #takeHead(): boolean {
    if (this.#rest.length < CLOSING.length) return false
    if (this.#rest.indexOf(CLOSING) === 0) {
      this.#state = 'epilogue'
      this.#closedAt = this.#position
      return true
    }
    const end = this.#rest.indexOf(HEAD_END)
    const isTooLarge = end < 0 ? this.#rest.length >= MAX_HEAD_BYTES + HEAD_END.length : end > MAX_HEAD_BYTES
    if (isTooLarge) {
      throw new GatewayError({
        code: 'too_large',
        what: 'The head of a part',
        limitBytes: MAX_HEAD_BYTES,
      })
    }
    if (end < 0) return false
    const head = this.#rest.subarray(0, end)
    if (head.includes(this.#delimiter)) throw malformed('The head of a part does not end.')
    checkHead(head)
    this.#offsets.push(this.#position + end + HEAD_END.length)
    // The last line end stays: what looks like a delimiter with it is one for the library.
    this.#drop(end + CRLF.length)
    this.#state = 'content'
    return true
  }

  /** False when more bytes are needed to go on. */
  #takeUpToDelimiter(): boolean {
    const { length } = this.#rest
    const at = this.#state === 'epilogue' ? -1 : this.#rest.indexOf(this.#delimiter)
    if (at >= 0) {
      if (this.#state === 'preamble') checkMargin(this.#position + at)
      this.#drop(at + this.#delimiter.length)
      this.#state = 'head'
      return true
    }
    // Only what may be the beginning of a delimiter is kept.
    const start = this.#rest.indexOf(CR, Math.max(0, length - this.#delimiter.length + 1))
    this.#drop(start < 0 ? length : start)
    return false
  }

  #drop(bytes: number): void {
    this.#rest = this.#rest.subarray(bytes)
    this.#position += bytes
  }
}

/** Refuses what the library would leave out or change without an error. `head` begins with a line break. */
function checkHead(head: Buffer): void {
  const text = head.toString('utf8')
  if (!isUtf8(head) || !HEAD.test(text))
    throw malformed(
      "A header line of a part can't be read. Write each as Name: value in UTF-8, without folding.",
    )
  const disposition = DISPOSITION.exec(text)?.[1] ?? ''
  if (!/^form-data[ \t]*(?:;|$)/i.test(disposition)) {
    throw malformed('A part has no Content-Disposition: form-data.')
  }
  const extended = EXTENDED_FILE_NAME.exec(disposition)?.[1]
  if (extended !== undefined && !isUtf8Value(extended)) {
    throw malformed("The filename* of a part must be UTF-8''percent-encoded.")
  }
}

/** RFC 5987, with the one charset that is still allowed (RFC 8187), and no line break in it. */
function isUtf8Value(text: string): boolean {
  const encoded = UTF8_VALUE.exec(text)?.[1]
  try {
    return encoded !== undefined && !/[\r\n]/.test(decodeURIComponent(encoded))
  } catch {
    return false
  }
}

function checkMargin(bytes: number): void {
  if (bytes > MAX_MARGIN_BYTES) {
    throw malformed('Too much comes before the first boundary of the form, or after its last.')
  }
}

/** A form that can't be taken; `detail` says what to change. */
export function malformed(detail: string): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail })
}
