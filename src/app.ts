import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { createKeyCredential } from './cloud/credential.ts'
import { createHttpClient } from './cloud/http-client.ts'
import { createRegistryApi } from './cloud/registry-api.ts'
import { createTaskApi } from './cloud/task-api.ts'
import { createUpstream } from './cloud/upstream.ts'
import type { Config } from './config/config.ts'
import { authenticate } from './http/authenticate.ts'
import { allowBrowsers } from './http/cors.ts'
import { describeApi, openApiDocument } from './http/openapi.ts'
import { tellLimits } from './http/rate-limit-fields.ts'
import { collectRoutes, methodNotAllowed, type RegisteredRoute } from './http/route-table.ts'
import { nativeCreate, packageInfo } from './http/routes/native.ts'
import { livez, readyz } from './http/routes/operations.ts'
import { queueDashboard, setQueuePaused } from './http/routes/queue.ts'
import { postRun, postTask } from './http/routes/runs.ts'
import {
  latestTasks,
  listTasks,
  nativeTaskResult,
  taskDetail,
  taskEvents,
  taskLogs,
  taskResult,
} from './http/routes/tasks.ts'
import { createServer } from './http/server.ts'
import { closeWhileDraining, shutDown } from './http/shutdown.ts'
import { limitWrongTokens } from './http/wrong-tokens.ts'
import { createAdmission } from './services/admission.ts'
import { createCreateTask } from './services/create-task.ts'
import type { LookAt } from './services/credential-watch.ts'
import {
  createDirectory,
  type Directory,
  type DirectoryEntries,
  type KnownApp,
} from './services/directory.ts'
import { createDrain } from './services/drain.ts'
import { createIdentify } from './services/identify.ts'
import { createLimits } from './services/limits.ts'
import { createOwners } from './services/owners.ts'
import { createPackages } from './services/packages.ts'
import { createRuns } from './services/runs.ts'
import { createTasks } from './services/tasks.ts'
import { createWatcher } from './services/watcher.ts'
import type { Store } from './store/store.ts'

/** What the app is built with besides its configuration: the outside world, so that a test can hold it. */
export type AppParts = {
  logger: FastifyBaseLogger
  version: string
  /** Opened by whoever starts the process, because that can fail; closed with the app. */
  store: Store
  now: () => number
  random: () => number
}

export type Gateway = {
  app: FastifyInstance
  routes: readonly RegisteredRoute[]
  /** Puts the callers and functions of a configuration in force, from the next request on; nothing else of it. */
  reload(config: Config): void
  /** Answers whoever waits and ends within the configured grace. */
  close(): Promise<void>
}

/** Builds the whole gateway and does nothing yet: no port, no connection, no timer. */
export function buildApp(config: Config, { logger, version, store, now, random }: AppParts): Gateway {
  const client = createHttpClient({ allowInsecure: config.upstream.allowInsecure })
  const upstreamOptions = { userAgent: `oomol-gateway/${version}`, now }
  const taskApi = createTaskApi(createUpstream(client, config.upstream.taskUrl, upstreamOptions))
  const registryApi = createRegistryApi(createUpstream(client, config.upstream.registryUrl, upstreamOptions))

  const drain = createDrain()
  const limits = createLimits(now)
  const directory = createDirectory(toDirectoryEntries(config))
  const identify = createIdentify({ ...toIdentifyOptions(config), directory })
  const owners = createOwners(store, now)
  const admission = createAdmission(config.maxConcurrentRuns)
  const lookAt = async (...[credential, taskID, signal]: Parameters<LookAt>) =>
    (await taskApi.result({ credential, signal }, taskID)).state
  const watcher = createWatcher({ lookAt, pollRate: config.pollRate, now, random })
  const tasks = createTasks(taskApi, owners)
  const packages = createPackages(registryApi)
  const createTask = createCreateTask({ api: taskApi, owners, drain, limits, now, log: logger })
  const runs = createRuns({ api: taskApi, createTask, owners, watcher, admission, drain, limits, now })

  const app = createServer({ logger, trustProxy: config.trustProxy })
  const routes = collectRoutes(app)
  allowBrowsers(app, (origin) => isKnownOrigin(config, directory, origin))
  const entry = { identify, limits, countWrongToken: limitWrongTokens(app) }
  describeApi(app, version)
  const waits = { defaultMs: config.runDefaultWaitMs, maxMs: config.runMaxWaitMs }
  const runParts = { runs, waits, maxBodyBytes: config.maxBodyBytes }

  // Open to everyone.
  app.register(async (open) => {
    open.route(livez())
    open.route(readyz(drain, admission))
    open.route(openApiDocument(app))
  })

  // Everything below needs a caller, and of the caller the scope that the route names.
  app.register(async (surface) => {
    surface.addHook('onRequest', authenticate({ ...entry, allowedOrigins: config.allowedOrigins }))
    surface.addHook('onSend', tellLimits(limits))

    surface.route(postRun(runParts))
    surface.route(postTask(runParts))
    surface.route(listTasks(tasks, { url: '/tasks', tag: 'tasks' }))
    surface.route(latestTasks(tasks, { url: '/tasks/latest', tag: 'tasks' }))
    surface.route(taskDetail(tasks, { url: '/tasks/:taskID', tag: 'tasks' }))
    surface.route(taskResult(runs, waits, now))
    surface.route(taskEvents(runs, waits, now))
    surface.route(taskLogs(tasks, { url: '/tasks/:taskID/logs', tag: 'tasks' }))
    surface.route(queueDashboard(tasks, { url: '/queue', tag: 'queue' }))
    surface.route(setQueuePaused(tasks, true, { url: '/queue/pause', tag: 'queue' }))
    surface.route(setQueuePaused(tasks, false, { url: '/queue/resume', tag: 'queue' }))

    surface.route(nativeCreate(runParts))
    surface.route(listTasks(tasks, { url: '/v3/users/me/tasks', tag: 'native' }))
    surface.route(latestTasks(tasks, { url: '/v3/users/me/tasks/latest', tag: 'native' }))
    surface.route(taskDetail(tasks, { url: '/v3/users/me/tasks/:taskID', tag: 'native' }))
    surface.route(nativeTaskResult(tasks, '/v3/users/me/tasks/:taskID/result'))
    surface.route(taskLogs(tasks, { url: '/v3/users/me/tasks/:taskID/logs', tag: 'native' }))
    surface.route(queueDashboard(tasks, { url: '/v3/users/me/dashboard', tag: 'native' }))
    surface.route(setQueuePaused(tasks, true, { url: '/v3/user/pause', tag: 'native' }))
    surface.route(setQueuePaused(tasks, false, { url: '/v3/user/resume', tag: 'native' }))
    surface.route(packageInfo(packages))
  })

  app.register(methodNotAllowed(routes))
  closeWhileDraining(app, drain)
  app.addHook('onClose', async () => {
    watcher.close()
    await client.close()
    await store.close()
  })
  const close = () => shutDown(app, { drain, abandonCalls: client.close, graceMs: config.shutdownGraceMs })
  return { app, routes, reload: (next) => directory.replace(toDirectoryEntries(next)), close }
}

/** Whether pages of this origin may talk to the gateway at all: for every caller, or for some. */
function isKnownOrigin({ allowedOrigins }: Config, directory: Directory, origin: string): boolean {
  return allowedOrigins.includes(origin) || directory.isOriginOfSomeApp(origin)
}

/** Who comes without a token, from the configuration. */
function toIdentifyOptions({ apiKey, auth, cookieMode }: Config) {
  const organisation = apiKey && createKeyCredential(apiKey.reveal())
  return { anyone: auth === 'none' ? organisation : undefined, cookieMode }
}

/** Who may call, from the configuration; keys become credentials in these two and nowhere else. */
function toDirectoryEntries(config: Config): DirectoryEntries {
  const organisation = config.apiKey && createKeyCredential(config.apiKey.reveal())
  const apps = config.callers.map(({ id, tokenHashes, rules, apiKey }): KnownApp => {
    const credential = apiKey ? createKeyCredential(apiKey.reveal()) : organisation
    if (credential === undefined) throw new Error(`the caller ${id} has no key to act with`)
    return { id, tokenHashes, rules, credential }
  })
  return { apps, functions: config.functions }
}
