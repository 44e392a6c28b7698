import type { FastifyInstance, FastifyRequest } from 'fastify'

/** What is told of a request when it is over, one way or another. */
export type ObserveRequest = (observation: {
  method: string
  route: string
  status: number
  caller: string
  seconds: number
}) => void

/** nginx's word for a caller that left before its answer. */
const CLIENT_CLOSED_REQUEST = 499

/** Tells of every request that is over. It is over when its connection is done with it, answered or not. */
export function observeRequests(app: FastifyInstance, observe: ObserveRequest): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () =>
      observe({
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.raw.writableFinished ? reply.raw.statusCode : CLIENT_CLOSED_REQUEST,
        caller: toCallerLabel(request),
        seconds: reply.elapsedTime / 1000,
      }),
    )
  })
}

/** Configured ids are few; users are not. No configured id has a colon. */
function toCallerLabel({ caller }: FastifyRequest): string {
  if (caller === null) return ':none'
  return caller.kind === 'user' ? ':user' : caller.id
}
