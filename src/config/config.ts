import type { CallerConfig } from '../domain/caller.ts'
import type { FunctionConfig } from '../domain/named-function.ts'
import type { Secret } from '../domain/secret.ts'

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Base URLs are origin and path without a trailing slash; the task base has its `/v1` or `/v3` stripped. */
type UpstreamConfig = {
  readonly taskUrl: string
  readonly uploadUrl: string
  readonly registryUrl: string
  /** Whether http and private addresses are allowed upstream: the emulator and tests. */
  readonly allowInsecure: boolean
}

/** All settings of the gateway, read at start; deeply frozen (sets and buffers by type only). */
export type Config = {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly upstream: UpstreamConfig
  /** The organisation's key; undefined only when no caller acts with it. */
  readonly apiKey: Secret | undefined
  /**
   * `none`: a request without any credential is accepted, under `PLAIN_RULES`. Configured tokens still
   * identify their callers, and a wrong token is still refused.
   */
  readonly auth: 'token' | 'none'
  readonly cookieMode: boolean
  /** Those of `GATEWAY_TOKENS` first, then those of the file; ids and tokens are unique over both. */
  readonly callers: readonly CallerConfig[]
  readonly functions: readonly FunctionConfig[]
  /** Exact origins for every caller; a caller's `rules.origins` come on top. */
  readonly allowedOrigins: readonly string[]
  /** Addresses and CIDRs. */
  readonly trustProxy: readonly string[]
  readonly runDefaultWaitMs: number
  readonly runMaxWaitMs: number
  readonly maxBodyBytes: number
  readonly maxUploadBytes: number
  readonly maxConcurrentRuns: number
  /** Requests a second, per credential, for polling running tasks. */
  readonly pollRate: number
  /** `memory:` or `file:PATH`. */
  readonly storeUrl: string
  readonly shutdownGraceMs: number
  readonly logLevel: LogLevel
  readonly metricsPort: number | undefined
  /** Whether `POST /run` of a plain package is validated against its schema too. */
  readonly validateInputs: boolean
}

/** Freezes plain objects and arrays at every depth, in place. Buffers can't be frozen; a frozen set still changes. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}
