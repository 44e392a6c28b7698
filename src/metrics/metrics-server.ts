import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

/** In milliseconds; a scraper sends a short head and no body. */
const REQUEST_TIMEOUT_MS = 10_000

/** Connections at a time: each is one of the files that the process may have open. */
const MAX_SCRAPERS = 16

/** `GET /metrics` on a port of its own, which callers can't reach, so that it needs no token. */
export type MetricsServer = {
  /** Resolves with the port when it listens; rejects with the system's error. */
  listen(address: { host: string; port: number }): Promise<number>
  /** Closes at once, with every connection. */
  close(): Promise<void>
}

export function createMetricsServer(metrics: Metrics): MetricsServer {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(metrics, request, response).catch(() => response.destroy())
  })
  server.maxConnections = MAX_SCRAPERS
  return {
    listen: async ({ host, port }) => {
      server.listen(port, host)
      await once(server, 'listening')
      metrics.observeProcess()
      return (server.address() as AddressInfo).port
    },
    close: async () => {
      metrics.clear()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(metrics: Metrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url?.split('?')[0] !== '/metrics') {
    send(response, 404, 'Not found. Use /metrics.\n')
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    send(response, 405, 'Method not allowed. Use GET.\n')
  } else {
    send(response, 200, await metrics.text(), metrics.contentType)
  }
}

/** No body is read: a request that has one loses its connection. */
function send(response: ServerResponse, status: number, text: string, contentType = 'text/plain'): void {
  if (!response.req.complete) response.setHeader('connection', 'close')
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}
