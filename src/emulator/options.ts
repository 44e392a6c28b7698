import type { Phases } from './task-state.ts'

/** The options of an emulator; each has a default. Sizes are bytes, times milliseconds. */
export type EmulatorOptions = {
  /** Default 127.0.0.1. */
  host?: string
  /** Task API, upload API, registry and control plane; 0, the default, is any free port. */
  port?: number
  /** Presigned parts and stored files; 0, the default, is any free port. */
  storePort?: number
  /** What presigned URLs begin with, if clients reach the store under another name (no trailing slash). */
  storeUrl?: string
  /** Accepted API keys, default `emulator-key`; each is an identity of its own. */
  keys?: readonly string[]
  /** Accepted `oomol-token` cookies, default `emulator-cookie`; each is an identity of its own. */
  cookies?: readonly string[]
  /** Default 8 MiB. */
  partSize?: number
  /** How long a task stays in each state before its block's own time; default 20 each. */
  phases?: Partial<Phases>
  /** What 100 % is; default 100. */
  progressScale?: 1 | 100
  /** Whether uploaded bytes are kept in memory, so that files can be read; default true. */
  retainBytes?: boolean
  /** Whether parts are hashed; default true. */
  hashParts?: boolean
  /** How many bytes of files are kept in all, default 1 GiB; beyond it, those of the oldest are dropped. */
  maxStoredFileBytes?: number
  /** Whether a part of a wrong size is refused at once (default) or only when the upload is finalised. */
  checkPartSizes?: boolean
  /** Added to the time of each part; default 0. */
  storeDelayMs?: number
  /** How many tasks of one identity are remembered; default 200,000. */
  maxTasks?: number
  /** How many bytes of bodies tasks and records keep, each; default 256 MiB. Beyond it, the oldest go. */
  maxBodyBytes?: number
  /** The clock of tasks and files; default `Date.now`. */
  now?: () => number
}

/** The options with their defaults; `storeUrl` is undefined until the store listens. */
export type EmulatorSettings = Required<Omit<EmulatorOptions, 'phases' | 'storeUrl'>> & {
  readonly phases: Phases
  readonly storeUrl: string | undefined
}

const DEFAULT_PHASES: Phases = { queuedMs: 20, schedulingMs: 20, scheduledMs: 20, runningMs: 20 }

const DEFAULTS: Omit<EmulatorSettings, 'phases' | 'storeUrl'> = {
  host: '127.0.0.1',
  port: 0,
  storePort: 0,
  keys: ['emulator-key'],
  cookies: ['emulator-cookie'],
  partSize: 8 * 1024 * 1024,
  progressScale: 100,
  retainBytes: true,
  hashParts: true,
  maxStoredFileBytes: 1024 * 1024 * 1024,
  checkPartSizes: true,
  storeDelayMs: 0,
  maxTasks: 200_000,
  maxBodyBytes: 256 * 1024 * 1024,
  now: Date.now,
}

export function toSettings(options: EmulatorOptions): EmulatorSettings {
  return {
    ...DEFAULTS,
    ...options,
    phases: { ...DEFAULT_PHASES, ...options.phases },
    storeUrl: options.storeUrl,
  }
}
