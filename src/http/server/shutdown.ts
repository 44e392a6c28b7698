import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Drain } from '../../services/drain.ts'

/** How long the port stays open after the drain began, so that load balancers see /readyz fail first. */
const NOTICE_MS = 2_000

/** The end of the grace, kept for answers to callers that still wait. */
const LAST_ANSWERS_MS = 1_000

type ShutdownDeps = {
  drain: Drain
  /** Ends every call upstream, so that the requests waiting for one are answered. */
  abandonCalls(): Promise<void>
  graceMs: number
}

/** Adds a hook that closes each connection with its answer while draining. */
export function closeWhileDraining(app: FastifyInstance, drain: Drain): void {
  app.addHook('onSend', async (_request, reply) => {
    if (drain.draining) reply.header('connection', 'close')
  })
}

/**
 * Stops the gateway within the grace, whatever hangs: answers waiting requests at once, gives running ones time,
 * and cuts the rest. Resolves when everything is closed, or when the grace is almost over.
 */
export async function shutDown(app: FastifyInstance, deps: ShutdownDeps): Promise<void> {
  const { drain, abandonCalls, graceMs } = deps
  drain.begin()
  app.server.closeIdleConnections()
  await sleep(Math.min(NOTICE_MS, graceMs / 4))
  const closed = app.close()
  const patienceMs = Math.max(0, graceMs - Math.min(NOTICE_MS, graceMs / 4) - LAST_ANSWERS_MS - graceMs / 10)
  await Promise.race([closed, sleep(patienceMs, undefined, { ref: false })])
  await abandonCalls()
  await Promise.race([closed, sleep(Math.min(LAST_ANSWERS_MS, graceMs / 4), undefined, { ref: false })])
  app.server.closeAllConnections()
  // What hangs even now, such as a store on a dead disk, ends with the process.
  await Promise.race([closed, sleep(graceMs / 20, undefined, { ref: false })])
}
