import { readFileSync } from 'node:fs'
import closeWithGrace, { type Options as CloseWithGraceOptions } from 'close-with-grace'
import { type Logger, pino } from 'pino'
import { buildApp, type Gateway } from './app.ts'
import type { Config } from './config/config.ts'
import { ConfigError, formatConfigProblems } from './config/config-error.ts'
import { loadConfig, reloadCallers } from './config/load-config.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'
import { StoreOpenError } from './store/store-open-error.ts'

/** Connections that may wait to be accepted: very many callers may connect at once. The system may allow fewer. */
const BACKLOG = 4096

/** What `sysexits.h` calls EX_CONFIG. */
const EXIT_CONFIG = 78

await run()

async function run(): Promise<void> {
  const config = readConfigOrExit()
  const logger = pino({ level: config.logLevel, base: null, formatters: { level: (level) => ({ level }) } })
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const store = await openStoreOrExit(config, logger)
  const clocks = { now: Date.now, monotonicNow: () => performance.now() }
  const gateway = buildApp(config, { logger, version, store, ...clocks, random: Math.random })

  // `gateway.close` ends before this deadline, which is only for a shutdown that has a fault itself.
  const grace: CloseWithGraceOptions = { delay: config.shutdownGraceMs, logger: false, skip: ['SIGHUP'] }
  closeWithGrace(grace, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unforeseen error, shutting down')
    else logger.info({ signal }, 'shutting down')
    await gateway.close()
    logger.info('shut down')
  })

  process.on('SIGHUP', () => reload(gateway, config, logger))

  await listenOrExit(gateway, config, logger)
  if (config.auth === 'none') {
    logger.warn('GATEWAY_AUTH=none: everyone who reaches this address acts with the key of the organisation')
  }
}

/** Reads callers and functions again; if they are not valid, the current ones stay. */
function reload(gateway: Gateway, config: Config, logger: Logger): void {
  try {
    const next = reloadCallers(config, process.env)
    gateway.reload(next)
    logger.info({ callers: next.callers.length, functions: next.functions.length }, 'callers reloaded')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    logger.error({ problems: error.problems }, 'callers not reloaded: the current ones stay')
  }
}

function readConfigOrExit(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${formatConfigProblems(error)}\n`)
    process.exit(EXIT_CONFIG)
  }
}

async function openStoreOrExit(config: Config, log: Logger): Promise<Store> {
  try {
    return await openStore(config.storeUrl, { now: Date.now, log })
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(EXIT_CONFIG)
  }
}

/** The metrics first: when the gateway's port opens, the whole process has started. */
async function listenOrExit({ app, metricsServer }: Gateway, config: Config, log: Logger): Promise<void> {
  const { host, port, metricsPort } = config
  let what = 'HOST and METRICS_PORT'
  try {
    if (metricsPort !== undefined) await metricsServer?.listen({ host, port: metricsPort })
    what = 'HOST and PORT'
    await app.listen({ host, port, backlog: BACKLOG })
  } catch (error) {
    log.fatal({ code: (error as NodeJS.ErrnoException).code }, `can't listen on ${what}`)
    process.exit(1)
  }
}
