import type { EmulatorOptions } from './options.ts'

/** The options of an emulator that is its own process, or every problem of its environment. */
type EmulatorEnvironment =
  | { readonly options: EmulatorOptions & { host: string; port: number; storePort: number; keys: string[] } }
  | { readonly problems: readonly string[] }

const PORT = /^\d{1,5}$/
const MAX_PORT = 65_535
/** What a header or a cookie can carry without quoting. */
const CREDENTIAL = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/

/**
 * Reads `EMULATOR_HOST` (127.0.0.1), `EMULATOR_PORT` (4000), `EMULATOR_STORE_PORT` (4001), `EMULATOR_KEY`,
 * `EMULATOR_COOKIE` and `EMULATOR_STORE_URL` (what presigned URLs begin with, if the store has
 * another name for others, as between containers). Problems name the setting, never its value.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): EmulatorEnvironment {
  const problems: string[] = []

  function take<T>(name: string, fallback: T, parse: (text: string) => T | undefined, expected: string): T {
    const text = env[name]
    if (text === undefined || text === '') return fallback
    const value = parse(text)
    if (value === undefined) problems.push(`${name} must be ${expected}`)
    return value ?? fallback
  }

  const options = {
    host: take('EMULATOR_HOST', '127.0.0.1', toHost, 'a host name or an address'),
    port: take('EMULATOR_PORT', 4000, toPort, 'a port from 0 to 65535'),
    storePort: take('EMULATOR_STORE_PORT', 4001, toPort, 'a port from 0 to 65535'),
    keys: [take('EMULATOR_KEY', 'emulator-key', toCredential, 'visible ASCII characters')],
    cookies: [take('EMULATOR_COOKIE', 'emulator-cookie', toCredential, 'visible ASCII characters')],
    storeUrl: take<string | undefined>(
      'EMULATOR_STORE_URL',
      undefined,
      toOrigin,
      'an http or https URL without a path',
    ),
  }
  if (options.port !== 0 && options.port === options.storePort) {
    problems.push('EMULATOR_PORT and EMULATOR_STORE_PORT must differ')
  }
  return problems.length > 0 ? { problems } : { options: withoutUndefined(options) }
}

/** An explicit undefined would replace the default. */
function withoutUndefined<T extends { storeUrl: string | undefined }>(options: T) {
  const { storeUrl, ...rest } = options
  return storeUrl === undefined ? rest : { ...rest, storeUrl }
}

function toPort(text: string): number | undefined {
  return PORT.test(text) && Number(text) <= MAX_PORT ? Number(text) : undefined
}

function toHost(text: string): string | undefined {
  return /^[A-Za-z0-9.:_-]+$/.test(text) ? text : undefined
}

function toCredential(text: string): string | undefined {
  return CREDENTIAL.test(text) ? text : undefined
}

function toOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  return isBare && /^https?:$/.test(url.protocol) ? url.origin : undefined
}
