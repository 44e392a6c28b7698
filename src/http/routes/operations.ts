import { Type } from 'typebox'
import type { Drain } from '../../services/drain.ts'
import type { WaitSlots } from '../../services/runs/wait-slots.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import { json, problems } from '../openapi/schemas.ts'

const Status = Type.Object({ status: Type.String() })

/** `GET /livez`: the process lives. Does no I/O. */
export function livez(): Route {
  return defineRoute({
    method: 'GET',
    url: '/livez',
    config: { scope: 'public' },
    schema: {
      summary: 'Whether the process lives',
      tags: ['operations'],
      response: { 200: json('It does.', Status) },
    },
    handler: async () => ({ status: 'ok' }),
  })
}

/** `GET /readyz`: traffic may come. The text says why not. */
export function readyz(drain: Drain, waitSlots: WaitSlots): Route {
  return defineRoute({
    method: 'GET',
    url: '/readyz',
    config: { scope: 'public' },
    schema: {
      summary: 'Whether traffic may come',
      tags: ['operations'],
      response: {
        200: json('It may.', Status),
        503: json('It may not: draining or shedding.', Status),
        ...problems(),
      },
    },
    handler: async (_request, reply) => {
      const status = drain.draining ? 'draining' : waitSlots.full ? 'shedding' : 'ready'
      if (status !== 'ready') reply.code(503).header('retry-after', '1')
      return { status }
    },
  })
}
