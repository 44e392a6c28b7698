import { readFileSync } from 'node:fs'
import { type CallerConfig, PLAIN_RULES } from '../domain/caller.ts'
import type { Secret } from '../domain/secret.ts'
import { isInsecureUrl } from './addresses.ts'
import { type CallerFile, type CallerFileContext, readCallerFile } from './caller-file.ts'
import { type Config, deepFreeze } from './config.ts'
import { ConfigError, type ConfigProblem, type Report } from './config-error.ts'
import { findReferences } from './references.ts'
import {
  type Environment,
  type ReadSettings,
  readSettings,
  type SettingName,
  type SettingValues,
} from './settings.ts'
import { type TokenPair, toTokenPairs } from './tokens.ts'
import { reportUnknownSettings } from './unknown-settings.ts'
import { type Parse, toApiKey } from './values.ts'

/** Reads a whole file as text, or throws with a `code`. */
type ReadFile = (path: string) => string

type FileSetting = 'OOMOL_API_KEY_FILE' | 'GATEWAY_TOKENS_FILE' | 'GATEWAY_CONFIG'

/** Where callers and keys come from. */
type Sources = {
  readonly apiKey: Secret | undefined
  readonly tokenPairs: readonly TokenPair[]
  readonly file: CallerFile | undefined
}

/** Throws if the file is not UTF-8, which would be changed silently otherwise. A byte order mark is dropped. */
function readTextFile(path: string): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}

/**
 * The whole configuration from the environment and the files that it names. Throws a `ConfigError` with
 * every problem.
 */
export function loadConfig(env: Environment, readFile: ReadFile = readTextFile): Config {
  const problems: ConfigProblem[] = []
  const report: Report = (setting, message) => problems.push({ setting, message })
  const settings = readSettings(env, report)
  const read = (name: FileSetting): string | undefined => readNamedFile(name, settings, readFile, report)
  const apiKey = readSecret('OOMOL_API_KEY', toApiKey, settings, read, report)
  const tokenPairs = readSecret('GATEWAY_TOKENS', toTokenPairs, settings, read, report) ?? []
  const text = read('GATEWAY_CONFIG')
  const file =
    text === undefined
      ? undefined
      : readCallerFile(text, toFileContext(env, settings, tokenPairs), (message) =>
          report('GATEWAY_CONFIG', message),
        )
  const isFileValid = !problems.some(({ setting }) => setting === 'GATEWAY_CONFIG')
  // A file that can't be read may name any variable.
  const isFileMissing = settings.given.has('GATEWAY_CONFIG') && text === undefined
  if (!isFileMissing) reportUnknownSettings(env, findReferences(text ?? ''), report)
  checkTogether(settings, report)
  checkCallers(settings, isFileValid ? (file?.callers ?? []) : undefined, report)
  if (problems.length > 0) throw new ConfigError(problems)
  return deepFreeze(toConfig(settings.values, { apiKey, tokenPairs, file }))
}

/**
 * The current configuration with its callers and functions read again, for SIGHUP: `GATEWAY_CONFIG` and
 * `GATEWAY_TOKENS_FILE` are read, and everything else, the organisation's key included, stays as it was at
 * start. Throws a `ConfigError` as `loadConfig` does; the current configuration then stays in force.
 */
export function reloadCallers(current: Config, env: Environment, readFile: ReadFile = readTextFile): Config {
  const { callers, functions } = loadConfig(env, readFile)
  return deepFreeze({ ...current, callers, functions })
}

/** The text of the file that a setting names; undefined if it names none, or after reporting. */
function readNamedFile(
  name: FileSetting,
  settings: ReadSettings,
  readFile: ReadFile,
  report: Report,
): string | undefined {
  const path = settings.values[name]
  if (path === undefined) return undefined
  try {
    return readFile(path)
  } catch (error) {
    // The message would contain the path; the code (ENOENT, EACCES, …) is enough.
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    report(name, `names a file that can't be read as UTF-8 text${code}`)
    return undefined
  }
}

/** A secret from its own setting or from the file that `…_FILE` names, never both. */
function readSecret<Name extends 'OOMOL_API_KEY' | 'GATEWAY_TOKENS'>(
  name: Name,
  parse: Parse<SettingValues[Name]>,
  settings: ReadSettings,
  read: (name: FileSetting) => string | undefined,
  report: Report,
): SettingValues[Name] | undefined {
  const fileName: `${Name}_FILE` = `${name}_FILE`
  if (settings.given.has(name)) {
    if (settings.given.has(fileName)) report(fileName, `can't be set together with ${name}`)
    return settings.values[name]
  }
  const text = read(fileName)?.replace(/\r?\n$/, '')
  if (text === undefined) return undefined
  const parsed = parse(text)
  if ('value' in parsed) return parsed.value
  for (const problem of parsed.problems) report(fileName, `${problem} (in the file)`)
  return undefined
}

function toFileContext(
  env: Environment,
  settings: ReadSettings,
  tokenPairs: readonly TokenPair[],
): CallerFileContext {
  const maxWaitMs = settings.wrong.has('RUN_MAX_WAIT') ? undefined : settings.values.RUN_MAX_WAIT
  return { env, tokenPairs, maxWaitMs }
}

/** Reports settings that contradict each other. A setting that is wrong by itself is not compared. */
function checkTogether({ values, given, wrong }: ReadSettings, report: Report): void {
  const areValid = (...names: SettingName[]): boolean => !names.some((name) => wrong.has(name))
  const isLonger = values.RUN_DEFAULT_WAIT > values.RUN_MAX_WAIT
  if (areValid('RUN_DEFAULT_WAIT', 'RUN_MAX_WAIT') && given.has('RUN_DEFAULT_WAIT') && isLonger) {
    report('RUN_DEFAULT_WAIT', 'must not be longer than RUN_MAX_WAIT')
  }
  if (areValid('PORT', 'METRICS_PORT') && values.PORT !== 0 && values.PORT === values.METRICS_PORT) {
    report('METRICS_PORT', 'must be another port than PORT')
  }
  for (const name of ['OOMOL_BASE_URL', 'OOMOL_UPLOAD_BASE_URL', 'OOMOL_REGISTRY_URL'] as const) {
    const isRefused = isInsecureUrl(values[name]) && !values.OOMOL_ALLOW_INSECURE
    if (areValid(name, 'OOMOL_ALLOW_INSECURE') && isRefused) {
      report(name, 'must be https (http needs OOMOL_ALLOW_INSECURE=true)')
    }
  }
}

/**
 * Reports if no caller is possible, or if the key that some of them act with is missing. `fileCallers` is
 * undefined when the file has problems: its callers are then unknown.
 */
function checkCallers(
  { values, given, wrong }: ReadSettings,
  fileCallers: readonly CallerConfig[] | undefined,
  report: Report,
): void {
  const isOpen = values.GATEWAY_AUTH === 'none'
  const hasTokens = given.has('GATEWAY_TOKENS') || given.has('GATEWAY_TOKENS_FILE')
  const mayHaveOthers =
    values.COOKIE_MODE || wrong.has('COOKIE_MODE') || wrong.has('GATEWAY_AUTH') || fileCallers?.length !== 0
  const isUnreachable = !isOpen && !hasTokens && !mayHaveOthers
  if (isUnreachable) {
    report(
      'GATEWAY_TOKENS',
      'no one can call: set it, or callers in GATEWAY_CONFIG, or COOKIE_MODE=on, or GATEWAY_AUTH=none',
    )
  }
  const hasKey = given.has('OOMOL_API_KEY') || given.has('OOMOL_API_KEY_FILE')
  const hasKeylessCaller = fileCallers?.some(({ apiKey }) => apiKey === undefined) ?? false
  if (!hasKey && (isOpen || hasTokens || hasKeylessCaller || isUnreachable)) {
    report('OOMOL_API_KEY', 'is needed, here or as OOMOL_API_KEY_FILE: some callers act with it')
  }
}

function toConfig(values: SettingValues, { apiKey, tokenPairs, file }: Sources): Config {
  const tokenCallers = tokenPairs.map(({ id, hash }) => ({ id, tokenHashes: [hash], rules: PLAIN_RULES }))
  return {
    host: values.HOST,
    port: values.PORT,
    upstream: {
      taskUrl: values.OOMOL_BASE_URL,
      uploadUrl: values.OOMOL_UPLOAD_BASE_URL,
      registryUrl: values.OOMOL_REGISTRY_URL,
      allowInsecure: values.OOMOL_ALLOW_INSECURE,
    },
    apiKey,
    auth: values.GATEWAY_AUTH,
    cookieMode: values.COOKIE_MODE,
    callers: [...tokenCallers, ...(file?.callers ?? [])],
    functions: file?.functions ?? [],
    allowedOrigins: values.ALLOWED_ORIGINS ?? [],
    trustProxy: values.TRUST_PROXY ?? [],
    // RUN_MAX_WAIT set alone and below the default limits both.
    runDefaultWaitMs: Math.min(values.RUN_DEFAULT_WAIT, values.RUN_MAX_WAIT),
    runMaxWaitMs: values.RUN_MAX_WAIT,
    maxBodyBytes: values.MAX_BODY_BYTES,
    maxUploadBytes: values.MAX_UPLOAD_BYTES,
    maxConcurrentRuns: values.MAX_CONCURRENT_RUNS,
    pollRate: values.POLL_RATE,
    storeUrl: values.STORE_URL,
    shutdownGraceMs: values.SHUTDOWN_GRACE,
    logLevel: values.LOG_LEVEL,
    metricsPort: values.METRICS_PORT,
    validateInputs: values.VALIDATE_INPUTS,
  }
}
