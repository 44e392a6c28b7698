import { createCloud } from '../cloud/cloud.ts'
import { createKeyCredential } from '../cloud/credential.ts'
import type { Config } from '../config/config.ts'
import { ConfigError, formatConfigProblems } from '../config/config-error.ts'
import { loadConfig } from '../config/load-config.ts'
import { DEADLINES } from '../domain/deadlines.ts'
import { toFailure } from '../errors.ts'
import { type CommandContext, EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE } from './command.ts'

/** In milliseconds, for the one call upstream: whoever checks looks on. */
const CALL_MS = 10_000

type CheckOptions = { upstream: boolean; version: string }

/**
 * Checks the environment and the files it names, every problem at once, and with `upstream` also that upstream
 * takes the key. Starts nothing: no port, no store.
 */
export async function check(
  { env, print, complain }: CommandContext,
  { upstream, version }: CheckOptions,
): Promise<number> {
  try {
    const config = loadConfig(env)
    const { callers, functions } = config
    print(`The configuration is valid: ${callers.length} callers, ${functions.length} functions.`)
    if (!upstream) return EXIT_OK
    const problem = await askUpstream(config, version)
    if (problem === undefined) {
      print('Upstream takes the key.')
      return EXIT_OK
    }
    complain(`Upstream: ${problem}`)
    return EXIT_UNAVAILABLE
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    complain(formatConfigProblems(error))
    return EXIT_CONFIG
  }
}

/** Reads the queue with the organisation's key; says in a word or two why not. Names no host and no secret. */
async function askUpstream({ upstream, apiKey }: Config, version: string): Promise<string | undefined> {
  if (apiKey === undefined) return 'not asked, because OOMOL_API_KEY is not set'
  const { taskUrl, registryUrl, uploadUrl, allowInsecure } = upstream
  const cloud = createCloud({
    taskUrl,
    registryUrl,
    uploadUrl,
    allowInsecure,
    userAgent: `oomol-gateway/${version}`,
    now: Date.now,
    monotonicNow: () => performance.now(),
    deadlines: { ...DEADLINES, readMs: CALL_MS },
    observe: undefined,
  })
  try {
    await cloud.tasks.dashboard({ credential: createKeyCredential(apiKey.reveal()) })
    return undefined
  } catch (error) {
    const cause = causeOf(error)
    return `${toFailure(error).code}${cause === undefined ? '' : ` (${cause})`}`
  } finally {
    await cloud.close()
  }
}

/** The system's own code at the bottom of an error: ENOTFOUND, ECONNREFUSED, DEPTH_ZERO_SELF_SIGNED_CERT … */
function causeOf(error: unknown): string | undefined {
  let code: string | undefined
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if ('code' in inner && typeof inner.code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(inner.code)) {
      code = inner.code
    }
  }
  return code
}
