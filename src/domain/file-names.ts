/*
 * Names of files. A name is shown to people, and its extension tells upstream the type; it is never a path.
 */

const NAME_LENGTH = 255
// Controls, line and paragraph separators, lone surrogates, and what separates path segments.
const NOT_IN_FILE_NAME = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}/\\]/u
const EXTENSION = /^\.[A-Za-z0-9]{1,10}$/

/** Any Unicode name of 1 to 255 UTF-16 units that is not a path: no slashes, no controls, not `.` or `..`. */
export function isFileName(text: string): boolean {
  const fits = text.length >= 1 && text.length <= NAME_LENGTH && text !== '.' && text !== '..'
  return fits && !NOT_IN_FILE_NAME.test(text)
}

/**
 * A name out of the file name in a form: forms may send whole paths (RFC 7578, section 4.2), of which
 * the last segment is the name. Undefined when the rest is not a name.
 */
export function toFileName(text: string): string | undefined {
  const last = text.split(/[/\\]/).at(-1) ?? ''
  return isFileName(last) ? last : undefined
}

/** The extension with its dot, or empty; `.profile` and `a.b c` have none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 ? name.slice(dot) : ''
  return EXTENSION.test(extension) ? extension : ''
}
