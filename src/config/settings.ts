import { toBaseUrl, toOrigin, toProxyRange, toTaskBaseUrl } from './addresses.ts'
import type { Report } from './config-error.ts'
import { toTokenPairs } from './tokens.ts'
import {
  type Parse,
  type Parsed,
  toApiKey,
  toDurationMs,
  toHost,
  toInteger,
  toListOf,
  toOneOf,
  toPath,
  toPositiveNumber,
  toSizeBytes,
  toStoreUrl,
  toSwitch,
} from './values.ts'

/** One environment variable. The default is written as the variable would be. */
export type Setting = {
  readonly description: string
  readonly default: string | undefined
  readonly parse: Parse<unknown>
}

const toPort = toInteger(0, 65_535)
/** A request's JSON body is kept in memory. */
const toBodyBytes = toSizeBytes(256 * 2 ** 20, '256MiB')
const toUploadBytes = toSizeBytes(2 ** 40, '1TiB')

/** Every environment variable the gateway reads, once. An empty one counts as unset. */
export const SETTINGS = {
  HOST: {
    description: 'Address to listen on (the image sets 0.0.0.0)',
    default: '127.0.0.1',
    parse: toHost,
  },
  PORT: { description: 'Port to listen on; 0 lets the system choose', default: '3000', parse: toPort },
  OOMOL_API_KEY: {
    description: "The organisation's OOMOL key; needed unless users act with their own cookies only",
    default: undefined,
    parse: toApiKey,
  },
  OOMOL_API_KEY_FILE: {
    description: 'A file that holds that key, instead of OOMOL_API_KEY',
    default: undefined,
    parse: toPath,
  },
  OOMOL_BASE_URL: {
    description: 'Task API; https only',
    default: 'https://cloud-task.oomol.com',
    parse: toTaskBaseUrl,
  },
  OOMOL_UPLOAD_BASE_URL: {
    description: 'Upload API; https only',
    default: 'https://llm.oomol.com/api/tasks/files/remote-cache',
    parse: toBaseUrl,
  },
  OOMOL_REGISTRY_URL: {
    description: 'Package registry; https only',
    default: 'https://registry.oomol.com',
    parse: toBaseUrl,
  },
  OOMOL_ALLOW_INSECURE: {
    description: 'true allows http and private addresses upstream: for the emulator and tests',
    default: 'false',
    parse: toSwitch('true', 'false'),
  },
  GATEWAY_TOKENS: {
    description: 'id:token pairs of apps that may call, comma-separated; tokens have 20 characters or more',
    default: undefined,
    parse: toTokenPairs,
  },
  GATEWAY_TOKENS_FILE: {
    description: 'A file that holds these pairs, one a line or comma-separated, instead of GATEWAY_TOKENS',
    default: undefined,
    parse: toPath,
  },
  GATEWAY_CONFIG: {
    description: 'A YAML file: callers with rules, named functions; SIGHUP reads it again',
    default: undefined,
    parse: toPath,
  },
  GATEWAY_AUTH: {
    description:
      'token, or none: the gateway can be used without a token (configured tokens still identify their callers)',
    default: 'token',
    parse: toOneOf(['token', 'none']),
  },
  COOKIE_MODE: {
    description: 'on lets users act with their own oomol-token cookie',
    default: 'off',
    parse: toSwitch('on', 'off'),
  },
  ALLOWED_ORIGINS: {
    description: 'Exact browser origins, comma-separated: https://app.example',
    default: undefined,
    parse: toListOf(toOrigin),
  },
  TRUST_PROXY: {
    description: 'Addresses or CIDRs of proxies whose X-Forwarded-* headers count, comma-separated',
    default: undefined,
    parse: toListOf(toProxyRange),
  },
  RUN_DEFAULT_WAIT: {
    description: 'How long POST /run waits unless asked otherwise',
    default: '50s',
    parse: toDurationMs,
  },
  RUN_MAX_WAIT: { description: 'The longest wait a caller gets', default: '10m', parse: toDurationMs },
  MAX_BODY_BYTES: { description: 'Largest JSON body of a request', default: '4MiB', parse: toBodyBytes },
  MAX_UPLOAD_BYTES: { description: 'Largest file', default: '512MiB', parse: toUploadBytes },
  MAX_CONCURRENT_RUNS: {
    description: 'Waiting requests in this process',
    default: '10000',
    parse: toInteger(1, 1_000_000),
  },
  POLL_RATE: {
    description: 'Requests a second, per credential, for polling running tasks',
    default: '50',
    parse: toPositiveNumber(100_000),
  },
  STORE_URL: {
    description: 'Where owners and idempotency records live: file:PATH (a folder) or memory:',
    default: 'file:./data',
    parse: toStoreUrl,
  },
  SHUTDOWN_GRACE: {
    description: 'After SIGTERM the process ends within this time, even if something hangs',
    default: '25s',
    parse: toDurationMs,
  },
  VALIDATE_INPUTS: {
    description: "on checks POST /run of a plain package against the package's schema before it is created",
    default: 'off',
    parse: toSwitch('on', 'off'),
  },
  LOG_LEVEL: {
    description: 'trace, debug, info, warn, error, fatal or silent',
    default: 'info',
    parse: toOneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  },
  METRICS_PORT: {
    description: 'Port of GET /metrics; off when unset',
    default: undefined,
    parse: toPort,
  },
} satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS

type ValueOf<S> = S extends { default: string; parse: Parse<infer T> }
  ? T
  : S extends { parse: Parse<infer T> }
    ? T | undefined
    : never

/** The value of every setting. One without a default is undefined when unset. */
export type SettingValues = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]> }

export type Environment = Readonly<Record<string, string | undefined>>

/** Every setting's value, and which were given. One in `wrong` has its default and must not be used for further checks. */
export type ReadSettings = {
  readonly values: SettingValues
  readonly given: ReadonlySet<SettingName>
  readonly wrong: ReadonlySet<SettingName>
}

/** Reads every setting from the environment; reports each one that is wrong. */
export function readSettings(env: Environment, report: Report): ReadSettings {
  const values: Record<string, unknown> = {}
  const given = new Set<SettingName>()
  const wrong = new Set<SettingName>()
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const setting: Setting = SETTINGS[name]
    const text = env[name]
    if (text === undefined || text === '') {
      values[name] = parseDefault(setting)
      continue
    }
    given.add(name)
    const parsed: Parsed<unknown> = setting.parse(text)
    values[name] = 'problems' in parsed ? parseDefault(setting) : parsed.value
    if (!('problems' in parsed)) continue
    wrong.add(name)
    for (const problem of parsed.problems) report(name, problem)
  }
  return { values: values as SettingValues, given, wrong }
}

/** A default comes from the table above, so it parses; a test checks that. */
function parseDefault(setting: Setting): unknown {
  if (setting.default === undefined) return undefined
  const parsed = setting.parse(setting.default)
  return 'problems' in parsed ? undefined : parsed.value
}
