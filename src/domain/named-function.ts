/** A named function: a block of a package under a name, with values filled in. */
export type FunctionConfig = {
  /** `isFunctionName`; unique. */
  readonly name: string
  readonly packageName: string
  /** An exact version, or a tag such as `latest`. */
  readonly packageVersion: string
  readonly blockName: string
  readonly description?: string
  /** Default values of inputs, which a caller may replace. JSON values. */
  readonly inputs: Readonly<Record<string, unknown>>
  /** Values that a caller can't set or see (they may be secrets). JSON values; no key of `inputs` is here. */
  readonly fixed: Readonly<Record<string, unknown>>
  /** How long `POST /run/{function}` waits by default; without it, the gateway's default applies. */
  readonly waitMs?: number
}
