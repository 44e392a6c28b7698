import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { buildApp, type Gateway } from '../app.ts'
import type { Config } from '../config/config.ts'
import { ConfigError, formatConfigProblems } from '../config/config-error.ts'
import { loadConfig, reloadCallers } from '../config/load-config.ts'
import type { Environment } from '../config/settings.ts'
import { type DescriptorPlan, neededDescriptors } from '../domain/descriptors.ts'
import { openStore } from '../store/open-store.ts'
import { StoreOpenError } from '../store/store-open-error.ts'
import { EXIT_CONFIG } from './command.ts'
import { type LogDestination, openStandardOutput } from './log-destination.ts'
import type { ProcessSignals } from './signals.ts'
import { createProcessWatch } from './watch-process.ts'

/** Connections that may wait to be accepted: very many callers may connect at once. The system may allow fewer. */
const BACKLOG = 4096

/** How long the last lines of the log may take. */
const LAST_LINES_MS = 1_000

type ServeOptions = {
  env: Environment
  complain(line: string): void
  version: string
  /** The store is taken as it is, whatever its number of entries should be. */
  acceptStore: boolean
  /** Undefined where the system does not limit open files. */
  descriptors: DescriptorPlan | undefined
}

/** Starts the gateway. Resolves with an exit code when it can't, and with undefined once it listens. */
export async function serve(options: ServeOptions, signals: ProcessSignals): Promise<number | undefined> {
  const { env, complain, version, acceptStore: accept, descriptors } = options
  try {
    const config = loadConfig(env)
    const output = openStandardOutput()
    const formatters = { level: (level: string) => ({ level }) }
    const logger = pino({ level: config.logLevel, base: null, formatters }, output)
    const store = await openStore(config.storeUrl, { now: Date.now, log: logger, accept })
    const gateway = buildApp(config, {
      logger,
      version,
      store,
      now: Date.now,
      monotonicNow: () => performance.now(),
      random: Math.random,
      descriptors,
      watchPressure: createProcessWatch({ descriptorLimit: descriptors?.limit }),
      lostLogLines: () => output.lostLines,
    })
    endWith(gateway, config, { logger, output, signals })
    signals.onReload(() => reload(gateway, config, env, logger))
    warn(config, descriptors, logger)
    await listenOrExit(gateway, config, logger, output)
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) complain(formatConfigProblems(error))
    else if (error instanceof StoreOpenError) complain(error.message)
    else throw error
    return EXIT_CONFIG
  }
}

/** What the operator should know of the settings before anyone calls. */
function warn(config: Config, descriptors: DescriptorPlan | undefined, log: Logger): void {
  if (config.auth === 'none') {
    log.warn('GATEWAY_AUTH=none: everyone who reaches this address acts with the key of the organisation')
  }
  const neededFiles = neededDescriptors(config.maxConcurrentRuns)
  if (descriptors === undefined || descriptors.limit >= neededFiles) return
  const { limit: openFiles, maxConnections } = descriptors
  log.warn(
    { openFiles, maxConnections, neededFiles },
    'the limit of open files is too low for MAX_CONCURRENT_RUNS: at most maxConnections callers can connect',
  )
}

/** Lets signals and uncaught errors end the gateway, within the grace whatever hangs. */
function endWith(
  gateway: Gateway,
  { shutdownGraceMs }: Config,
  { logger, output, signals }: { logger: Logger; output: LogDestination; signals: ProcessSignals },
): void {
  signals.onEnd(async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unforeseen error, shutting down')
    else logger.info({ signal }, 'shutting down')
    // `close` keeps to the grace by itself, unless it has a fault.
    const isClosed = await Promise.race([gateway.close().then(() => true), sleep(shutdownGraceMs, false)])
    logger.info(isClosed ? 'shut down' : 'not shut down in time')
    await output.flush(Math.min(LAST_LINES_MS, shutdownGraceMs / 20))
    if (!isClosed) process.exit(1)
  })
}

/** Reads callers and functions again; if they are not valid, the current ones stay. */
function reload(gateway: Gateway, config: Config, env: Environment, logger: Logger): void {
  try {
    const next = reloadCallers(config, env)
    gateway.reload(next)
    logger.info({ callers: next.callers.length, functions: next.functions.length }, 'callers reloaded')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    logger.error({ problems: error.problems }, 'callers not reloaded: the current ones stay')
  }
}

/** The metrics first: when the gateway's port opens, the whole process has started. */
async function listenOrExit(
  { app, metricsServer }: Gateway,
  config: Config,
  log: Logger,
  output: LogDestination,
): Promise<void> {
  const { host, port, metricsPort } = config
  let what = 'HOST and METRICS_PORT'
  try {
    if (metricsPort !== undefined) await metricsServer?.listen({ host, port: metricsPort })
    what = 'HOST and PORT'
    await app.listen({ host, port, backlog: BACKLOG })
  } catch (error) {
    log.fatal({ code: (error as NodeJS.ErrnoException).code }, `can't listen on ${what}`)
    await output.flush(LAST_LINES_MS)
    process.exit(1)
  }
}
