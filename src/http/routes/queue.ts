import { Type } from 'typebox'
import type { Tasks } from '../../services/tasks/tasks.ts'
import { sendJson } from '../answer/send-json.ts'
import { readOptionalJsonObject } from '../body/json-body.ts'
import { defineRoute, type Route, type RouteAddress } from '../openapi/route.ts'
import { json, jsonBody, NoQuery, OPTIONAL_BODY, problems, UpstreamObject } from '../openapi/schemas.ts'
import { toContext } from '../request/http-exchange.ts'

const PAUSE_BODY_LIMIT_BYTES = 64 * 1024

/** `GET /queue` and its native twin: limits, counts and pause, in upstream's own bytes. */
export function queueDashboard(tasks: Tasks, { url, tag }: RouteAddress<'queue'>): Route {
  return defineRoute({
    method: 'GET',
    url,
    config: { scope: 'queue:read' },
    schema: {
      summary: 'Limits, counts and pause of the queue',
      tags: [tag],
      querystring: NoQuery,
      response: { 200: json('The dashboard.', UpstreamObject), ...problems() },
    },
    handler: async (request, reply) => sendJson(reply, await tasks.dashboard(toContext(request, reply))),
  })
}

/** Pauses or resumes the queue. The body is optional, and its members mean nothing. */
export function setQueuePaused(tasks: Tasks, paused: boolean, { url, tag }: RouteAddress<'queue'>): Route {
  return defineRoute({
    method: 'POST',
    url,
    config: { scope: 'queue:write' },
    schema: {
      summary: paused ? 'Pause the queue' : 'Resume the queue',
      tags: [tag],
      querystring: NoQuery,
      body: jsonBody(Type.Object({}, { description: 'Optional.' })),
      [OPTIONAL_BODY]: true,
      response: { 200: json('What pauses the queue now.', UpstreamObject), ...problems(408, 413, 415) },
    },
    handler: async (request, reply) => {
      await readOptionalJsonObject(request, reply, PAUSE_BODY_LIMIT_BYTES)
      return sendJson(reply, await tasks.setPaused(toContext(request, reply), paused))
    },
  })
}
