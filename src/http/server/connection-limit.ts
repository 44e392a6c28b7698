import type { FastifyInstance } from 'fastify'

/** How often the log says that connections are refused, in milliseconds. */
const NOTICE_MS = 60_000

/**
 * Accepts this many connections and closes those beyond at once, so that the rest of what the process may have
 * open is left for calls upstream and the store. Before connections are refused, those on which nothing happens
 * give way.
 */
export function limitConnections(app: FastifyInstance, maxConnections: number): void {
  let noticedAtMs = Number.NEGATIVE_INFINITY
  app.server.maxConnections = maxConnections
  app.server.on('drop', () => {
    app.server.closeIdleConnections()
    const nowMs = performance.now()
    if (nowMs - noticedAtMs < NOTICE_MS) return
    noticedAtMs = nowMs
    app.log.warn({ maxConnections }, 'connections are refused: the limit of open files allows no more')
  })
}
