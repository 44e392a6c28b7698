import type { FastifyInstance } from 'fastify'
import type { Config } from './config/config.ts'
import { type AppParts, buildGraph, type Graph } from './graph.ts'
import { authenticate } from './http/authenticate.ts'
import { observeRequests } from './http/observe-requests.ts'
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
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { createMetricsServer, type MetricsServer } from './metrics/metrics-server.ts'

export type Gateway = {
  app: FastifyInstance
  routes: readonly RegisteredRoute[]
  /** Undefined unless METRICS_PORT is set. Listens when told to; closed with the app. */
  metricsServer: MetricsServer | undefined
  /** How many tasks are looked at, and how many requests wait for one. */
  watching(): { tasks: number; requests: number }
  /** Answers whoever waits and ends within the configured grace. */
  close(): Promise<void>
}

/** Builds the whole gateway and does nothing yet: no port, no connection, no timer. */
export function buildApp(config: Config, parts: AppParts): Gateway {
  const metrics = config.metricsPort === undefined ? undefined : createMetrics(parts.version)
  const graph = buildGraph(config, parts, metrics)
  const { deadlines, drain, admission, watcher, identify, tasks, packages, runs } = graph

  const app = createServer({
    logger: parts.logger,
    trustProxy: config.trustProxy,
    bodyDeadlineMs: deadlines.bodyMs,
  })
  const routes = collectRoutes(app)
  const metricsServer = metrics && measureApp(app, metrics, graph)
  describeApi(app, parts.version)
  closeWhileDraining(app, drain)

  const { keepAliveMs } = deadlines
  const waits = { defaultMs: config.runDefaultWaitMs, maxMs: config.runMaxWaitMs, keepAliveMs }
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
    surface.route(taskResult(runs, waits, parts.now))
    surface.route(taskEvents(runs, waits, parts.now))
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
  app.addHook('onClose', async () => {
    await metricsServer?.close()
    await graph.close()
  })
  return {
    app,
    routes,
    metricsServer,
    watching: () => ({ tasks: watcher.size(), requests: admission.waiting }),
    close: () => shutDown(app, { ...graph, graceMs: config.shutdownGraceMs }),
  }
}

/** Counts what comes in and who waits; the port that tells it does not listen yet. */
function measureApp(app: FastifyInstance, metrics: Metrics, { admission, watcher }: Graph): MetricsServer {
  observeRequests(app, metrics.observeRequest)
  metrics.gauge('waiting_requests', 'Requests that wait for a task', () => admission.waiting)
  metrics.gauge('watched_tasks', 'Tasks that are looked at for those who wait', () => watcher.size())
  return createMetricsServer(metrics)
}
