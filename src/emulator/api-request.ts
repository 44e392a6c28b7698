import type { AppliedFaults } from './faults.ts'
import type { Identity } from './identity.ts'

/** An authenticated request, as the handlers of the API get it. */
export type ApiRequest = {
  readonly identity: Identity
  /** The variable parts of the path, in order. */
  readonly params: readonly string[]
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly faults: AppliedFaults
}

/** Reads a body that must be a JSON object; undefined when it is anything else. */
export function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
