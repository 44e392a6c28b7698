/*
 * Checks of names before they go into an upstream URL or are compared with a rule. Routers decode `%2f` and
 * `%2e` inside parameters and `new URL()` folds `..`, so each pattern is a closed alphabet that cannot spell
 * another path (traps.md, 8). Every pattern is anchored and linear.
 */

const PACKAGE_NAME = /^(?:@[A-Za-z0-9][\w.~-]{0,99}\/)?[A-Za-z0-9][\w.~-]{0,199}$/
const PACKAGE_VERSION = /^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$/
// Controls, line and paragraph separators, lone surrogates, and what separates path segments.
const NOT_IN_BLOCK_NAME = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}/\\]/u
const TASK_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/
const UPLOAD_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,199}$/
const FUNCTION_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/
const WORKLOAD_ID = /^[\w.-]{1,200}$/
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/
const CALLER_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const BLOCK_NAME_LENGTH = 200

/** The patterns of names that request schemas show, as JSON Schema's `pattern`. */
export const TASK_ID_PATTERN = TASK_ID.source
export const WORKLOAD_ID_PATTERN = WORKLOAD_ID.source
export const IDEMPOTENCY_KEY_PATTERN = IDEMPOTENCY_KEY.source

/** `name` or `@scope/name`, as npm registries have them; never two dots in a row, so no `..` segment. */
export function isPackageName(text: string): boolean {
  return PACKAGE_NAME.test(text) && !text.includes('..')
}

/** An exact version (`1.4.0`, `2.0.0-rc.1`) or a tag (`latest`); no range operators. */
export function isPackageVersion(text: string): boolean {
  return PACKAGE_VERSION.test(text)
}

/** Free text of 1 to 200 UTF-16 units on one line, without slashes and without spaces at its ends. */
export function isBlockName(text: string): boolean {
  const fits = text.length >= 1 && text.length <= BLOCK_NAME_LENGTH
  return fits && text.trim() === text && !NOT_IN_BLOCK_NAME.test(text)
}

/** The form is not documented; observed ids are UUIDs. */
export function isTaskID(text: string): boolean {
  return TASK_ID.test(text)
}

/** The form is not documented. */
export function isUploadID(text: string): boolean {
  return UPLOAD_ID.test(text)
}

/** The name of a named function, as in `POST /run/{function}`. */
export function isFunctionName(text: string): boolean {
  return FUNCTION_NAME.test(text)
}

/** What is wrong with an idempotency key that `isIdempotencyKey` refuses. */
export const IDEMPOTENCY_KEY_RULE = 'must be 1 to 255 visible ASCII characters'

/** An idempotency key, as a header or an argument: 1 to 255 visible ASCII characters. */
export function isIdempotencyKey(value: unknown): value is string {
  return typeof value === 'string' && IDEMPOTENCY_KEY.test(value)
}

/** The id of a configured caller. It has no `:`, so ids such as `user:…` never collide with it. */
export function isCallerID(text: string): boolean {
  return CALLER_ID.test(text)
}
