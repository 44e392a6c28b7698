import type { FastifyInstance } from 'fastify'
import type { Config } from './config/config.ts'
import { type AppDeps, buildGraph, type Graph, toRegistryEntries } from './graph.ts'
import { authenticate } from './http/access/authenticate.ts'
import { registerCors } from './http/access/cors.ts'
import { limitFailedAuth } from './http/access/failed-auth.ts'
import { createOptionalCaller } from './http/access/optional-caller.ts'
import { setRateLimitHeaders } from './http/access/rate-limit-fields.ts'
import { FORM_LOGGING, registerForms } from './http/body/form-reader.ts'
import { openApiDocument, registerOpenApi } from './http/openapi/openapi.ts'
import { nativeUploadInit, nativeUploadUrl, postFiles, putFile } from './http/routes/files.ts'
import { functionDetail, listFunctions, postFunctionRun } from './http/routes/functions.ts'
import { postMcp } from './http/routes/mcp.ts'
import { nativeCreate, packageInfo } from './http/routes/native.ts'
import { livez, readyz } from './http/routes/operations.ts'
import { queueDashboard, setQueuePaused } from './http/routes/queue.ts'
import { taskEvents, taskResult } from './http/routes/results.ts'
import { postRun, postTask, type RunRouteDeps } from './http/routes/runs.ts'
import { latestTasks, listTasks, nativeTaskResult, taskDetail, taskLogs } from './http/routes/tasks.ts'
import { observeRequests } from './http/server/observe-requests.ts'
import { collectRoutes, methodNotAllowed, type RegisteredRoute } from './http/server/route-table.ts'
import { createServer } from './http/server/server.ts'
import { closeWhileDraining, shutDown } from './http/server/shutdown.ts'
import { createMcpEndpoint } from './mcp/mcp-endpoint.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { createMetricsServer, type MetricsServer } from './metrics/metrics-server.ts'
import type { Uploads } from './services/files/uploads.ts'

export type Gateway = {
  app: FastifyInstance
  routes: readonly RegisteredRoute[]
  /** Puts the callers and functions of a configuration in force, from the next request on; nothing else of it. */
  reload(config: Config): void
  /** Undefined unless METRICS_PORT is set. Listens when told to; closed with the app. */
  metricsServer: MetricsServer | undefined
  /** How many tasks are looked at, and how many requests wait for one. */
  watching(): { tasks: number; requests: number }
  uploads: Pick<Uploads, 'heldBytes'>
  /** Answers whoever waits and ends within the configured grace. */
  close(): Promise<void>
}

/** Builds the whole gateway and does nothing yet: no port, no connection, no timer. */
export function buildApp(config: Config, parts: AppDeps): Gateway {
  const metrics = config.metricsPort === undefined ? undefined : createMetrics(parts.version)
  const graph = buildGraph(config, parts, metrics)
  const { deadlines, drain, admission, watcher, limits, tasks, functions, runs, uploads } = graph

  const app = createServer({
    logger: parts.logger,
    trustProxy: config.trustProxy,
    bodyDeadlines: { bodyMs: deadlines.bodyMs, bodyIdleMs: deadlines.bodyIdleMs },
  })
  const routes = collectRoutes(app)
  const metricsServer = metrics && registerMetrics(app, metrics, graph)
  registerCors(app, (origin) => isKnownOrigin(config, graph, origin))
  const { host, allowedOrigins } = config
  const entry = { ...graph, host, allowedOrigins, countFailedAuth: limitFailedAuth(app) }
  const optionalCaller = createOptionalCaller(entry)
  registerOpenApi(app, parts.version)
  closeWhileDraining(app, drain)

  const { keepAliveMs } = deadlines
  const waits = { defaultMs: config.runDefaultWaitMs, maxMs: config.runMaxWaitMs, keepAliveMs }
  const runParts = { runs, waits, maxBodyBytes: config.maxBodyBytes, uploads }
  const mcp = createMcpEndpoint({ ...parts, ...graph, waits, keepAliveMs, log: parts.logger })

  // Open to everyone.
  app.register(async (open) => {
    open.route(livez())
    open.route(readyz(drain, admission))
    open.route(openApiDocument(app, { functions, optionalCaller }))
  })

  // Everything below needs a caller, and of the caller the scope that the route names.
  app.register(async (surface) => {
    surface.addHook('onRequest', authenticate(entry))
    surface.addHook('onSend', setRateLimitHeaders(limits))

    // The routes that take forms beside JSON, or nothing else.
    surface.register(async (forms) => {
      registerForms(forms)
      forms.route(postRun(runParts))
      forms.route(postFunctionRun({ ...runParts, functions }))
      forms.route(postFiles(uploads))
    }, FORM_LOGGING)
    surface.route(listFunctions(functions))
    surface.route(functionDetail(functions))
    surface.route(postTask(runParts))
    surface.route(listTasks(tasks, { url: '/tasks', tag: 'tasks' }))
    surface.route(latestTasks(tasks, { url: '/tasks/latest', tag: 'tasks' }))
    surface.route(taskDetail(tasks, { url: '/tasks/:taskID', tag: 'tasks' }))
    surface.route(taskResult(runs, waits, parts.now))
    surface.route(taskEvents(runs, waits, parts.now))
    surface.route(taskLogs(tasks, { url: '/tasks/:taskID/logs', tag: 'tasks' }))
    surface.route(queueDashboard(tasks, { url: '/queue', tag: 'queue' }))
    surface.route(setQueuePaused(tasks, true, { url: '/queue/pause', tag: 'queue' }))
    surface.route(setQueuePaused(tasks, false, { url: '/queue/resume', tag: 'queue' }))

    surface.route(putFile(uploads))

    nativeSurface(surface, graph, runParts)
    surface.route(postMcp({ ...config, mcp }))
  })

  app.register(methodNotAllowed(routes))
  app.addHook('onReady', () => graph.spool.clean())
  app.addHook('onClose', async () => {
    await metricsServer?.close()
    await graph.close()
  })
  return {
    app,
    routes,
    metricsServer,
    uploads,
    reload: (next) => graph.directory.replace(toRegistryEntries(next)),
    watching: () => ({ tasks: watcher.size(), requests: admission.waiting }),
    close: () => shutDown(app, { ...graph, graceMs: config.shutdownGraceMs }),
  }
}

/** The upstream's own paths, for the official clients. */
function nativeSurface(
  surface: FastifyInstance,
  { tasks, packages, uploads }: Graph,
  runParts: RunRouteDeps,
): void {
  surface.route(nativeCreate(runParts))
  surface.route(listTasks(tasks, { url: '/v3/users/me/tasks', tag: 'native' }))
  surface.route(latestTasks(tasks, { url: '/v3/users/me/tasks/latest', tag: 'native' }))
  surface.route(taskDetail(tasks, { url: '/v3/users/me/tasks/:taskID', tag: 'native' }))
  surface.route(nativeTaskResult(tasks, '/v3/users/me/tasks/:taskID/result'))
  surface.route(taskLogs(tasks, { url: '/v3/users/me/tasks/:taskID/logs', tag: 'native' }))
  surface.route(queueDashboard(tasks, { url: '/v3/users/me/dashboard', tag: 'native' }))
  surface.route(setQueuePaused(tasks, true, { url: '/v3/user/pause', tag: 'native' }))
  surface.route(setQueuePaused(tasks, false, { url: '/v3/user/resume', tag: 'native' }))
  surface.route(nativeUploadInit(uploads))
  surface.route(nativeUploadUrl(uploads))
  surface.route(packageInfo(packages))
}

/** Whether pages of this origin may talk to the gateway at all: for every caller, or for some. */
function isKnownOrigin({ allowedOrigins }: Config, { directory }: Graph, origin: string): boolean {
  return allowedOrigins.includes(origin) || directory.isOriginOfSomeApp(origin)
}

/** Counts what comes in and who waits; the port that tells it does not listen yet. */
function registerMetrics(
  app: FastifyInstance,
  metrics: Metrics,
  { admission, watcher, uploads }: Graph,
): MetricsServer {
  observeRequests(app, metrics.observeRequest)
  metrics.gauge('waiting_requests', 'Requests that wait for a task', () => admission.waiting)
  metrics.gauge('watched_tasks', 'Tasks that are looked at for those who wait', () => watcher.size())
  metrics.gauge('upload_memory_bytes', 'Memory held by parts of files on their way', () => uploads.heldBytes)
  return createMetricsServer(metrics)
}
