import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { createKeyCredential } from './cloud/credential.ts'
import { createHttpClient } from './cloud/http-client.ts'
import { createRegistryApi } from './cloud/registry-api.ts'
import { createTaskApi, type TaskApi } from './cloud/task-api.ts'
import { createUpstream } from './cloud/upstream.ts'
import type { Config } from './config/config.ts'
import { authenticate } from './http/authenticate.ts'
import { describeApi, openApiDocument } from './http/openapi.ts'
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
import { createAdmission } from './services/admission.ts'
import { createBreaker } from './services/breaker.ts'
import { createCreateTask } from './services/create-task.ts'
import type { LookAt } from './services/credential-watch.ts'
import { createDrain } from './services/drain.ts'
import { createIdempotency, type IdempotencyTimes } from './services/idempotency.ts'
import { createIdentify, type KnownApp } from './services/identify.ts'
import { createOwners } from './services/owners.ts'
import { createPackages } from './services/packages.ts'
import { createRuns } from './services/runs.ts'
import type { ReadPage } from './services/task-listing.ts'
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
  /** How long what concerns idempotency may take; left out: as in production. */
  idempotencyTimes?: Partial<IdempotencyTimes>
}

export type Gateway = {
  app: FastifyInstance
  routes: readonly RegisteredRoute[]
  /** Answers whoever waits and ends within the configured grace. */
  close(): Promise<void>
}

/** Builds the whole gateway and does nothing yet: no port, no connection, no timer. */
export function buildApp(config: Config, parts: AppParts): Gateway {
  const { logger, version, store, now, random } = parts
  const client = createHttpClient({ allowInsecure: config.upstream.allowInsecure })
  const upstreamOptions = { userAgent: `oomol-gateway/${version}`, now }
  const taskApi = createTaskApi(createUpstream(client, config.upstream.taskUrl, upstreamOptions))
  const registryApi = createRegistryApi(createUpstream(client, config.upstream.registryUrl, upstreamOptions))

  const drain = createDrain()
  const owners = createOwners(store, now)
  const admission = createAdmission(config.maxConcurrentRuns)
  const { lookAt, readPage } = createLooks(taskApi)
  const watcher = createWatcher({ lookAt, readPage, pollRate: config.pollRate, now, random })
  const tasks = createTasks(taskApi, owners)
  const packages = createPackages(registryApi)
  const times = parts.idempotencyTimes
  const idempotency = createIdempotency({ store, owners, drain, readPage, now, log: logger, times })
  const breaker = createBreaker(now, random)
  const createTask = createCreateTask({ api: taskApi, owners, drain, idempotency, breaker, now, log: logger })
  const runs = createRuns({ api: taskApi, createTask, owners, watcher, admission, drain, now })
  const identify = createIdentify(toIdentifyOptions(config))

  const app = createServer({ logger, trustProxy: config.trustProxy })
  const routes = collectRoutes(app)
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
    surface.addHook('onRequest', authenticate(identify, new Set(config.allowedOrigins)))

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
  return { app, routes, close }
}

/** Who may call, from the configuration; keys become credentials here and nowhere else. */
function toIdentifyOptions(config: Config) {
  const organisation = config.apiKey && createKeyCredential(config.apiKey.reveal())
  const apps = config.callers.map(({ id, tokenHashes, rules, apiKey }): KnownApp => {
    const credential = apiKey ? createKeyCredential(apiKey.reveal()) : organisation
    if (credential === undefined) throw new Error(`the caller ${id} has no key to act with`)
    return { id, tokenHashes, rules, credential }
  })
  return { apps, anyone: config.auth === 'none' ? organisation : undefined, cookieMode: config.cookieMode }
}

/** How the watcher and whoever searches look at tasks. */
function createLooks(taskApi: TaskApi): { lookAt: LookAt; readPage: ReadPage } {
  return {
    lookAt: async (credential, taskID, signal) =>
      (await taskApi.result({ credential, signal }, taskID)).state,
    readPage: (credential, { size, ...query }, signal) =>
      taskApi.page({ credential, ...(signal && { signal }) }, { size: String(size), ...query }),
  }
}
