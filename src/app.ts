import type { FastifyInstance } from 'fastify'
import type { Config } from './config/config.ts'
import { type AppDeps, buildGraph, type Graph, toRegistryEntries } from './graph.ts'
import { type AuthenticateDeps, authenticate } from './http/access/authenticate.ts'
import { registerCors } from './http/access/cors.ts'
import { limitFailedAuth } from './http/access/failed-auth.ts'
import { createOptionalCaller } from './http/access/optional-caller.ts'
import { setRateLimitHeaders } from './http/access/rate-limit-fields.ts'
import { FORM_LOGGING, registerForms } from './http/body/form-reader.ts'
import { openApiDocument, registerOpenApi } from './http/openapi/openapi.ts'
import type { HttpWaits } from './http/request/response-mode.ts'
import { nativeUploadInit, nativeUploadUrl, postFiles, putFile } from './http/routes/files.ts'
import { functionDetail, listFunctions, postFunctionRun } from './http/routes/functions.ts'
import { postMcp } from './http/routes/mcp.ts'
import { nativeCreate, packageInfo } from './http/routes/native.ts'
import { livez, readyz } from './http/routes/operations.ts'
import { queueDashboard, setQueuePaused } from './http/routes/queue.ts'
import { taskEvents, taskResult } from './http/routes/results.ts'
import { postRun, postTask } from './http/routes/runs.ts'
import { latestTasks, listTasks, nativeTaskResult, taskDetail, taskLogs } from './http/routes/tasks.ts'
import { limitConnections } from './http/server/connection-limit.ts'
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
  /** How many tasks are polled, and how many requests wait for one. */
  polling(): { tasks: number; requests: number }
  uploads: Pick<Uploads, 'heldBytes'>
  /** Answers every request that waits and ends within the configured grace. */
  close(): Promise<void>
}

/** Builds the whole gateway and does nothing yet: no port, no connection, no timer. */
export function buildApp(config: Config, deps: AppDeps): Gateway {
  const { logger, version } = deps
  const { host, allowedOrigins, trustProxy, shutdownGraceMs: graceMs } = config
  const metrics = config.metricsPort === undefined ? undefined : createMetrics(version)
  const graph = buildGraph(config, deps, metrics)
  const { deadlines, drain, waitSlots, poller, callerRegistry, identify, limits, uploads } = graph

  const { bodyMs, bodyIdleMs, unreadMs } = deadlines
  const app = createServer({ logger, trustProxy, bodyDeadlines: { bodyMs, bodyIdleMs }, unreadMs })
  const routes = collectRoutes(app)
  const metricsServer = metrics && registerMetrics(app, metrics, graph, deps)
  // Whether pages of an origin may talk to the gateway at all: for every caller, or for some.
  registerCors(app, (origin) => allowedOrigins.includes(origin) || callerRegistry.isOriginOfSomeApp(origin))
  registerOpenApi(app, version)
  closeWhileDraining(app, drain)
  if (deps.descriptors) limitConnections(app, deps.descriptors.maxConnections)

  const access = {
    identify,
    limits,
    countFailedAuth: limitFailedAuth(app, deps.monotonicNow),
    host,
    allowedOrigins,
  }
  app.register(async (open) => openRoutes(open, graph, access))
  app.register(async (surface) => surfaceRoutes(surface, graph, config, deps, access))
  app.register(methodNotAllowed(routes))

  let stopWatching: (() => void) | undefined
  app.addHook('onReady', async () => {
    await graph.spool.clean()
    stopWatching = deps.watchPressure?.(graph.pressure.note)
  })
  app.addHook('onClose', async () => {
    stopWatching?.()
    await metricsServer?.close()
    await graph.close()
  })
  return {
    app,
    routes,
    metricsServer,
    uploads,
    reload: (next) => callerRegistry.replace(toRegistryEntries(next)),
    polling: () => ({ tasks: poller.size(), requests: waitSlots.waiting }),
    close: () => shutDown(app, { drain, abandonCalls: graph.abandonCalls, graceMs }),
  }
}

/** Open to everyone. */
function openRoutes(
  open: FastifyInstance,
  { drain, waitSlots, pressure, functions }: Graph,
  access: AuthenticateDeps,
): void {
  open.route(livez())
  open.route(readyz(drain, waitSlots, pressure))
  open.route(openApiDocument(open, { functions, optionalCaller: createOptionalCaller(access) }))
}

type SurfaceSettings = Pick<Config, 'maxBodyBytes' | 'runDefaultWaitMs' | 'runMaxWaitMs'>

/** Everything here needs a caller, and of the caller the scope that the route names. */
function surfaceRoutes(
  surface: FastifyInstance,
  graph: Graph,
  { maxBodyBytes, runDefaultWaitMs, runMaxWaitMs }: SurfaceSettings,
  { version, logger: log }: Pick<AppDeps, 'version' | 'logger'>,
  access: AuthenticateDeps,
): void {
  const { limits, tasks, functions, runs, uploads } = graph
  const { host, allowedOrigins } = access
  const { keepAliveMs } = graph.deadlines
  const waits: HttpWaits = { defaultMs: runDefaultWaitMs, maxMs: runMaxWaitMs, keepAliveMs }
  const runDeps = { runs, waits, maxBodyBytes, uploads }
  const mcp = createMcpEndpoint({ version, log, keepAliveMs, runs, waits, tasks, uploads, functions })

  surface.addHook('onRequest', authenticate(access))
  surface.addHook('onSend', setRateLimitHeaders(limits))

  // The routes that take forms.
  surface.register(async (forms) => {
    registerForms(forms)
    forms.route(postRun(runDeps))
    forms.route(postFunctionRun(runDeps, functions))
    forms.route(postFiles(uploads))
  }, FORM_LOGGING)
  surface.route(listFunctions(functions))
  surface.route(functionDetail(functions))
  surface.route(postTask({ runs, maxBodyBytes }))
  surface.route(listTasks(tasks, { url: '/tasks', tag: 'tasks' }))
  surface.route(latestTasks(tasks, { url: '/tasks/latest', tag: 'tasks' }))
  surface.route(taskDetail(tasks, { url: '/tasks/:taskID', tag: 'tasks' }))
  surface.route(taskResult(runs, waits))
  surface.route(taskEvents(runs, waits))
  surface.route(taskLogs(tasks, { url: '/tasks/:taskID/logs', tag: 'tasks' }))
  surface.route(queueDashboard(tasks, { url: '/queue', tag: 'queue' }))
  surface.route(setQueuePaused(tasks, true, { url: '/queue/pause', tag: 'queue' }))
  surface.route(setQueuePaused(tasks, false, { url: '/queue/resume', tag: 'queue' }))

  surface.route(putFile(uploads))

  nativeRoutes(surface, graph, maxBodyBytes)
  surface.route(postMcp({ mcp, host, maxBodyBytes, allowedOrigins }))
}

/** The upstream's own paths, for the official clients. */
function nativeRoutes(
  surface: FastifyInstance,
  { runs, tasks, packages, uploads }: Graph,
  maxBodyBytes: number,
): void {
  surface.route(nativeCreate({ runs, maxBodyBytes }))
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

/** Counts requests, waits and calls; the port that serves the counts does not listen yet. */
function registerMetrics(
  app: FastifyInstance,
  metrics: Metrics,
  { waitSlots, poller, uploads, pressure, storeUsage }: Graph,
  { lostLogLines = () => 0 }: Pick<AppDeps, 'lostLogLines'>,
): MetricsServer {
  observeRequests(app, metrics.observeRequest)
  metrics.gauge('waiting_requests', 'Requests that wait for a task', () => waitSlots.waiting)
  metrics.gauge('watched_tasks', 'Tasks that are polled for waiting requests', () => poller.size())
  metrics.gauge('upload_memory_bytes', 'Memory held by parts of files on their way', () => uploads.heldBytes)
  metrics.gauge('shedding', '1 while new runs and uploads are refused', () => Number(pressure.shedding))
  metrics.gauge(
    'event_loop_delay_seconds',
    'How late the event loop was on average in the last second',
    () => pressure.loopDelayMs / 1000,
  )
  metrics.counter('log_lines_lost_total', 'Lines of the log that nobody took', lostLogLines)
  // A store that is away has no figures, and hides no others.
  const none = { entries: {}, bytes: Number.NaN }
  const readUsage = () => storeUsage().catch(() => none)
  metrics.gauges(
    'store_entries',
    'Entries in the store by space',
    'space',
    async () => (await readUsage()).entries,
  )
  metrics.gauge('store_bytes', 'Bytes used in the store', async () => (await readUsage()).bytes)
  return createMetricsServer(metrics)
}
