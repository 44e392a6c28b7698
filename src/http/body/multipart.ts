import { GatewayError } from '../../errors.ts'
import type { ByteSource } from '../../services/files/file-intake.ts'
import { type PartHead, parsePartHead } from './part-head.ts'

/*
 * A reader of multipart/form-data (RFC 7578, RFC 2046 section 5.1) that is strict: whatever is not as the
 * RFCs say is refused, because a part that is guessed at may be lost or cut. It is ours and not busboy's
 * for two reasons: the size of a last file follows from Content-Length only if one knows at which byte the
 * file begins, and a search by `Buffer.indexOf` is several times as fast.
 */

const MAX_HEAD_BYTES = 8 * 1024
/** What may stand before the first boundary: nobody's business, so little of it. */
const MAX_PREAMBLE_BYTES = 8 * 1024
const MAX_BOUNDARY_LINE_PADDING = 64

const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')
const CR = 0x0d
const DASH = 0x2d
const SPACE = 0x20
const TAB = 0x09
const NOTHING = Buffer.alloc(0)

/** One part: its head, and its bytes, which must be read to their end before the next part. */
export type FormPart = {
  head: PartHead
  body: ByteSource /** Where its bytes begin in the body. */
  offset: number
}

/** Reads the parts of a form one after the other. Everything throws `GatewayError`. */
export class MultipartReader {
  readonly #source: ByteSource
  readonly #delimiter: Buffer
  /** Bytes taken from the source and not yet used; a line end that stands for the one before the first line. */
  #buffer: Buffer = CRLF
  /** Where `#buffer` begins in the body. */
  #offset = -CRLF.length
  #inPart = false
  #begun = false

  /** `boundary` is as `parseBoundary` gave it. */
  constructor(source: ByteSource, boundary: string) {
    this.#source = source
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** How many bytes end a form after its last part, as every client that we know of writes it. */
  get closingBytes(): number {
    return this.#delimiter.length + '--\r\n'.length
  }

  /** The next part; undefined after the last, when the form has ended as it should. */
  async next(): Promise<FormPart | undefined> {
    if (!this.#begun) await this.#skipPreamble()
    if (this.#inPart) throw new Error('a part was not read to its end')
    if (await this.#isLastDelimiter()) {
      await this.#skipEpilogue()
      return undefined
    }
    const head = parsePartHead(await this.#readHead())
    this.#inPart = true
    return { head, body: { next: () => this.#nextOfPart() }, offset: this.#offset }
  }

  async #skipPreamble(): Promise<void> {
    this.#begun = true
    this.#inPart = true
    let skipped = 0
    for (let chunk = await this.#nextOfPart(); chunk !== undefined; chunk = await this.#nextOfPart()) {
      skipped += chunk.length
      if (skipped > MAX_PREAMBLE_BYTES) throw malformed('The form does not begin with its boundary.')
    }
  }

  /** After a delimiter: whether it is the closing one. Leaves the buffer at the line end. */
  async #isLastDelimiter(): Promise<boolean> {
    await this.#fill(2)
    if (this.#buffer[0] === DASH && this.#buffer[1] === DASH) {
      this.#drop(2)
      return true
    }
    for (let padding = 0; padding < MAX_BOUNDARY_LINE_PADDING; padding++) {
      await this.#fill(2)
      if (this.#buffer[0] === CR && this.#buffer[1] === CRLF[1]) return false
      if (this.#buffer[0] !== SPACE && this.#buffer[0] !== TAB) break
      this.#drop(1)
    }
    throw malformed('A boundary of the form does not end its line.')
  }

  /** What follows the closing delimiter means nothing, but it has to come to an end. */
  async #skipEpilogue(): Promise<void> {
    let bytes = 0
    let chunk: Buffer | undefined = this.#buffer
    this.#drop(chunk.length)
    for (; chunk !== undefined; chunk = await this.#source.next()) {
      bytes += chunk.length
      if (bytes > MAX_PREAMBLE_BYTES) throw malformed('Too much follows the end of the form.')
    }
  }

  /** The header lines of a part, without the empty line that ends them. */
  async #readHead(): Promise<Buffer> {
    // From the line end of the boundary on, so that a head without lines is found as well.
    let end = this.#buffer.indexOf(HEAD_END)
    while (end < 0) {
      if (this.#buffer.length > MAX_HEAD_BYTES) throw headTooLarge()
      await this.#fill(this.#buffer.length + 1)
      end = this.#buffer.indexOf(HEAD_END)
    }
    if (end > MAX_HEAD_BYTES) throw headTooLarge()
    const head = this.#buffer.subarray(CRLF.length, Math.max(end, CRLF.length))
    this.#drop(end + HEAD_END.length)
    return head
  }

  /** The next bytes of the part, undefined at its end; then the delimiter is behind us. */
  async #nextOfPart(): Promise<Buffer | undefined> {
    while (this.#inPart) {
      const found = this.#buffer.indexOf(this.#delimiter)
      if (found === 0) {
        this.#drop(this.#delimiter.length)
        this.#inPart = false
        break
      }
      const safe = found > 0 ? found : this.#buffer.length - this.#beginningOfDelimiter()
      if (safe > 0) {
        const bytes = this.#buffer.subarray(0, safe)
        this.#drop(safe)
        return bytes
      }
      await this.#fill(this.#buffer.length + 1)
    }
    return undefined
  }

  /** How many bytes at the end of the buffer may be the beginning of a delimiter. */
  #beginningOfDelimiter(): number {
    const { length } = this.#buffer
    const longest = Math.min(length, this.#delimiter.length - 1)
    let at = this.#buffer.indexOf(CR, length - longest)
    while (at >= 0) {
      if (this.#buffer.compare(this.#delimiter, 0, length - at, at, length) === 0) return length - at
      at = this.#buffer.indexOf(CR, at + 1)
    }
    return 0
  }

  /** Makes sure that the buffer holds so many bytes. */
  async #fill(bytes: number): Promise<void> {
    while (this.#buffer.length < bytes) {
      const chunk = await this.#source.next()
      if (chunk === undefined) throw malformed('The form ends before its closing boundary.')
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    }
  }

  #drop(bytes: number): void {
    this.#buffer = bytes === this.#buffer.length ? NOTHING : this.#buffer.subarray(bytes)
    this.#offset += bytes
  }
}

export function malformed(detail: string): GatewayError {
  return new GatewayError({ code: 'invalid_request', detail })
}

function headTooLarge(): GatewayError {
  return new GatewayError({ code: 'too_large', what: 'The head of a part', limitBytes: MAX_HEAD_BYTES })
}
