import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Drain } from '../../services/drain.ts'

/** How long the port stays open after the drain began, so that load balancers see /readyz fail first. */
const NOTICE_MS = 2_000

/** What is left of the grace, at its end, for the answers that are given then. */
const LAST_ANSWERS_MS = 1_000

export type ShutdownDeps = {
  drain: Drain
  /** Ends every call upstream, so that whoever still waits for one is told. */
  abandonCalls(): Promise<void>
  graceMs: number
}

/** While draining no connection is kept: a hook for every answer. */
export function closeWhileDraining(app: FastifyInstance, drain: Drain): void {
  app.addHook('onSend', async (_request, reply) => {
    if (drain.draining) reply.header('connection', 'close')
  })
}

/**
 * Ends the gateway within the grace, whatever hangs: everyone who waits is answered at once, what is under
 * way gets its time, the rest is cut off. Resolves when everything is closed, or the grace is all but over.
 */
export async function shutDown(app: FastifyInstance, parts: ShutdownDeps): Promise<void> {
  const { drain, abandonCalls, graceMs } = parts
  drain.begin()
  app.server.closeIdleConnections()
  await sleep(Math.min(NOTICE_MS, graceMs / 4))
  const closed = app.close()
  const patienceMs = Math.max(0, graceMs - Math.min(NOTICE_MS, graceMs / 4) - LAST_ANSWERS_MS - graceMs / 10)
  await Promise.race([closed, sleep(patienceMs, undefined, { ref: false })])
  await abandonCalls()
  await Promise.race([closed, sleep(Math.min(LAST_ANSWERS_MS, graceMs / 4), undefined, { ref: false })])
  app.server.closeAllConnections()
  // What lets go of nothing even now (a store on a dead disk) is left behind with the process.
  await Promise.race([closed, sleep(graceMs / 20, undefined, { ref: false })])
}
