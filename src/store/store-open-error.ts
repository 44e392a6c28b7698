/**
 * A store that can't be opened. The message is one line for operators that names the setting and never
 * its value (which may hold a password); the start ends with it.
 */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError'

  constructor(reason: string, cause?: unknown) {
    super(`STORE_URL ${reason}`, cause === undefined ? undefined : { cause })
  }
}
