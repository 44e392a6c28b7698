import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { FunctionDescription } from '../../domain/function-description.ts'
import { isFunctionName } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import type { NamedFunctions } from '../../services/functions/functions.ts'
import { isForm } from '../body/form.ts'
import { readJsonObject } from '../body/json-body.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import {
  json,
  jsonOrFormBody,
  NoQuery,
  PENDING_HEADERS,
  problems,
  RunHeaders,
  RunPending,
  RunSuccess,
  TASK_HEADERS,
  UpstreamObject,
  WaitQuery,
} from '../openapi/schemas.ts'
import { toContext } from '../request/http-exchange.ts'
import { fingerprintOf } from '../request/idempotency-key.ts'
import { receiveFunctionForm } from '../run/function-form.ts'
import { answerRun } from '../run/run-and-answer.ts'
import type { RunRouteDeps } from './runs.ts'

const FunctionParams = Type.Object({ function: Type.String({ description: 'As GET /functions names it.' }) })

const VERSION_HEADER = {
  'X-Package-Version': {
    description:
      'The version that was run (of a replay: that would be run now); a tag such as latest while the registry is away.',
    schema: Type.String(),
  },
}

const FunctionSchema = Type.Object({
  name: Type.String(),
  description: Type.String(),
  packageName: Type.String(),
  packageVersion: Type.String({ description: 'The version that runs right now.' }),
  blockName: Type.String(),
  validated: Type.Boolean({ description: 'False while the registry is away: inputs pass unchecked.' }),
  inputSchema: Type.Object({}, { additionalProperties: true, description: 'JSON Schema of the inputs.' }),
  outputSchema: Type.Object({}, { additionalProperties: true, description: 'JSON Schema of the outputs.' }),
  defaults: Type.Object({}, { additionalProperties: true, description: 'Inputs that may be left out.' }),
  waitSeconds: Type.Optional(Type.Number({ description: 'How long a run waits unless asked otherwise.' })),
  example: Type.Object({
    inputs: Type.Object({}, { additionalProperties: true }),
    curl: Type.String({ description: 'A command for a shell.' }),
  }),
})

/** `POST /run/{function}`: the body is the function's inputs, as JSON or as a form with files. */
export function postFunctionRun(deps: RunRouteDeps, functions: NamedFunctions): Route {
  const { runs, waits, uploads, maxBodyBytes } = deps
  return defineRoute({
    method: 'POST',
    url: '/run/:function',
    config: { scope: 'run' },
    schema: {
      summary: 'Run a named function and wait for its result',
      tags: ['runs'],
      params: FunctionParams,
      querystring: WaitQuery,
      headers: RunHeaders,
      body: jsonOrFormBody(UpstreamObject),
      response: {
        200: json('The run succeeded; or, with Accept: text/event-stream, its events.', RunSuccess, {
          ...TASK_HEADERS,
          ...VERSION_HEADER,
        }),
        202: json('The run goes on; ask for it by its id.', RunPending, {
          ...PENDING_HEADERS,
          ...VERSION_HEADER,
        }),
        ...problems(402, 404, 408, 409, 413, 415, 422),
      },
    },
    handler: (request, reply) => {
      const name = functionNameOf(request)
      // Refused before the body is read.
      const { waitMs = waits.defaultMs } = functions.require(toContext(request, reply), name)
      const ownWaits = { ...waits, defaultMs: waitMs }
      return answerRun({ runs, waits: ownWaits }, request, reply, async (exchange, events) => {
        const { inputs, fingerprint } = isForm(request)
          ? await receiveFunctionForm({ functions, uploads }, name, exchange, events)
          : await readInputs(request, reply, maxBodyBytes)
        const create = await functions.prepare(exchange.context, name, inputs)
        // Too late for a header once events report an upload.
        if (!reply.sent) reply.header('x-package-version', create.packageVersion)
        return { create, fingerprint }
      })
    },
  })
}

async function readInputs(request: FastifyRequest, reply: FastifyReply, limitBytes: number) {
  const inputs = await readJsonObject(request, reply, limitBytes)
  return { inputs, fingerprint: fingerprintOf(request, inputs.bytes) }
}

/** `GET /functions`: those the caller may run. */
export function listFunctions(functions: NamedFunctions): Route {
  return defineRoute({
    method: 'GET',
    url: '/functions',
    config: { scope: 'run' },
    schema: {
      summary: 'The named functions this caller may run',
      tags: ['runs'],
      querystring: NoQuery,
      response: {
        200: json('The functions.', Type.Object({ functions: Type.Array(FunctionSchema) })),
        ...problems(),
      },
    },
    handler: async (request, reply) => {
      const described = await functions.list(toContext(request, reply))
      return { functions: described.map(toFunctionJson) }
    },
  })
}

/** `GET /functions/{function}`. */
export function functionDetail(functions: NamedFunctions): Route {
  return defineRoute({
    method: 'GET',
    url: '/functions/:function',
    config: { scope: 'run' },
    schema: {
      summary: 'A named function with the schemas of its inputs and outputs',
      tags: ['runs'],
      params: FunctionParams,
      querystring: NoQuery,
      response: { 200: json('The function.', FunctionSchema), ...problems(404) },
    },
    handler: async (request, reply) =>
      toFunctionJson(await functions.describe(toContext(request, reply), functionNameOf(request))),
  })
}

function toFunctionJson({ waitMs, example, ...described }: FunctionDescription): object {
  return { ...described, ...(waitMs === undefined ? {} : { waitSeconds: waitMs / 1000 }), example }
}

/** The name in the path, once it can be one. */
function functionNameOf(request: FastifyRequest): string {
  const { function: name } = request.params as { function: string }
  if (!isFunctionName(name)) throw new GatewayError({ code: 'not_found', what: 'function' })
  return name
}
