import type { FastifyInstance, FastifyRequest } from 'fastify'
import { wasCut } from './stalled-readers.ts'

/** Called for each request when it is over, answered or not. */
type ObserveRequest = (observation: {
  method: string
  route: string
  status: number
  caller: string
  seconds: number
}) => void

/** The status that nginx logs for a caller that left before its answer. */
const CLIENT_CLOSED_REQUEST = 499

/** Observes every request when its answer was sent or its caller has left. */
export function observeRequests(app: FastifyInstance, observe: ObserveRequest): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () =>
      observe({
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status:
          reply.raw.writableFinished && !wasCut(request.raw.socket)
            ? reply.raw.statusCode
            : CLIENT_CLOSED_REQUEST,
        caller: toCallerLabel(request),
        seconds: reply.elapsedTime / 1000,
      }),
    )
  })
}

/** Configured ids are few, users are many, so all users share one label. No configured id has a colon. */
function toCallerLabel({ caller }: FastifyRequest): string {
  if (caller === null) return ':none'
  return caller.kind === 'user' ? ':user' : caller.id
}
