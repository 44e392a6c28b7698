import { Type } from 'typebox'
import { isPackageName, isPackageVersion } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import type { Packages } from '../../services/functions/packages.ts'
import { sendJson } from '../answer/send-json.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import {
  json,
  jsonBody,
  KeyHeader,
  NoQuery,
  problems,
  TASK_HEADERS,
  UpstreamObject,
} from '../openapi/schemas.ts'
import { toContext, toHttpExchange } from '../request/http-exchange.ts'
import { NativeCreateBody, readCreate, toNativeCreate } from '../run/create-body.ts'
import { createTask } from '../run/run-and-answer.ts'
import type { RunRouteDeps } from './runs.ts'

/** `POST /v3/users/me/tasks`: the caller's own bytes go upstream, upstream's own come back. */
export function nativeCreate({ runs, maxBodyBytes }: Pick<RunRouteDeps, 'runs' | 'maxBodyBytes'>): Route {
  return defineRoute({
    method: 'POST',
    url: '/v3/users/me/tasks',
    config: { scope: 'run' },
    schema: {
      summary: 'Create a task',
      tags: ['native'],
      querystring: NoQuery,
      headers: KeyHeader,
      body: jsonBody(NativeCreateBody),
      response: {
        200: json('The task was created.', Type.Object({ taskID: Type.String() }), TASK_HEADERS),
        ...problems(402, 404, 408, 409, 413, 415, 422),
      },
    },
    handler: async (request, reply) => {
      const { taskID, answer } = await createTask(runs, toHttpExchange(request, reply), (exchange) =>
        readCreate(exchange, maxBodyBytes, toNativeCreate),
      )
      return sendJson(reply.header('x-task-id', taskID), answer)
    },
  })
}

const LangQuery = Type.Object(
  { lang: Type.Optional(Type.String({ pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$' })) },
  { additionalProperties: false },
)

/** `GET /-/oomol/package-info/{package}/{version}`; the name is one path segment, percent-encoded. */
export function packageInfo(packages: Packages): Route {
  return defineRoute({
    method: 'GET',
    url: '/-/oomol/package-info/:packageName/:version',
    config: { scope: 'run' },
    schema: {
      summary: 'What the registry knows of a package',
      tags: ['native'],
      params: Type.Object({
        packageName: Type.String(),
        version: Type.String({ description: '1.4.0, or latest' }),
      }),
      querystring: LangQuery,
      response: { 200: json('The package and its blocks.', UpstreamObject), ...problems(404) },
    },
    handler: async (request, reply) => {
      const { packageName, version } = request.params
      if (!isPackageName(packageName) || !isPackageVersion(version)) {
        throw new GatewayError({ code: 'not_found', what: 'package' })
      }
      const query = { packageName, version, lang: request.query.lang }
      return sendJson(reply, await packages.info(toContext(request, reply), query))
    },
  })
}
