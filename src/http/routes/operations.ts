import { Type } from 'typebox'
import type { Drain } from '../../services/drain.ts'
import type { Pressure } from '../../services/pressure.ts'
import type { WaitSlots } from '../../services/runs/wait-slots.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import { json, problems } from '../openapi/schemas.ts'

const Status = Type.Object({ status: Type.String() })

/** `GET /livez`: whether the process is alive. Does no I/O. */
export function livez(): Route {
  return defineRoute({
    method: 'GET',
    url: '/livez',
    config: { scope: 'public' },
    schema: {
      summary: 'Whether the process is alive',
      tags: ['operations'],
      response: { 200: json('It is.', Status) },
    },
    handler: async () => ({ status: 'ok' }),
  })
}

/** `GET /readyz`: whether the process accepts traffic; `status` says why not. */
export function readyz(drain: Drain, waitSlots: WaitSlots, pressure: Pressure): Route {
  return defineRoute({
    method: 'GET',
    url: '/readyz',
    config: { scope: 'public' },
    schema: {
      summary: 'Whether the gateway accepts traffic',
      tags: ['operations'],
      response: {
        200: json('It does.', Status),
        503: json('It does not: draining or shedding.', Status),
        ...problems(),
      },
    },
    handler: async (_request, reply) => {
      const isShedding = waitSlots.full || pressure.shedding
      const status = drain.draining ? 'draining' : isShedding ? 'shedding' : 'ready'
      if (status !== 'ready') reply.code(503).header('retry-after', '1')
      return { status }
    },
  })
}
