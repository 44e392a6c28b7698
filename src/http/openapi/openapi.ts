import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Caller } from '../../services/callers/request-context.ts'
import type { NamedFunctions } from '../../services/functions/functions.ts'
import { withFunctions } from './function-paths.ts'
import { defineRoute, type Route } from './route.ts'
import { json, OPTIONAL_BODY, ProblemSchema } from './schemas.ts'

const DESCRIPTION = `A self-hosted gateway in front of OOMOL Cloud Task v3. It holds the organisation's key;
callers have gateway tokens. Every error is an \`application/problem+json\` with a \`code\`.`

/** Describes every route registered after this call, and serves a page to read and try the description. */
export function registerOpenApi(app: FastifyInstance, version: string): void {
  app.addSchema(ProblemSchema)
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'oomol-gateway', version, description: DESCRIPTION },
      tags: [
        { name: 'runs', description: 'Run a block or a function and get its result' },
        { name: 'tasks', description: 'Tasks, their results and logs' },
        { name: 'files', description: 'Files for the inputs of runs' },
        { name: 'queue', description: 'The queue of tasks' },
        { name: 'native', description: "The upstream's own paths, for the official clients" },
        { name: 'mcp', description: 'The same for AI agents' },
        { name: 'operations', description: 'For operators of the gateway' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'A gateway token.' },
          cookie: { type: 'apiKey', in: 'cookie', name: 'oomol-token', description: "A user's own cookie." },
        },
      },
      security: [{ token: [] }, { cookie: [] }],
    },
    hideUntagged: true,
    transformObject: (document) =>
      'openapiObject' in document ? unrequireBodies(document.openapiObject) : {},
    refResolver: { buildLocalReference: (json) => String(json.$id) },
    transform: ({ schema, url, route }) => {
      const isPublic = route.config?.scope === 'public'
      const scope = isPublic ? {} : { description: `Scope: \`${route.config?.scope}\`.` }
      return { schema: { ...scope, ...schema, ...(isPublic ? { security: [] } : {}) }, url }
    },
  })
  app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { url: '/openapi.json' }, staticCSP: true })
}

/** The plugin marks every body as required: unmarks the optional ones. */
function unrequireBodies<Document extends { paths?: object }>(document: Document): Document {
  for (const item of Object.values(document.paths ?? {})) {
    for (const operation of Object.values<Record<string, unknown>>(item)) {
      if (operation[OPTIONAL_BODY] !== true) continue
      delete operation[OPTIONAL_BODY]
      operation.requestBody = { ...(operation.requestBody as object), required: false }
    }
  }
  return document
}

/** The caller of a public route; undefined without one. Throws 401 for a wrong token. */
type OptionalCaller = (request: FastifyRequest) => Promise<Caller | undefined>

/** `GET /openapi.json`: the description, and with a token the caller's named functions in it. */
export function openApiDocument(
  app: FastifyInstance,
  deps: { optionalCaller: OptionalCaller; functions: NamedFunctions },
): Route {
  return defineRoute({
    method: 'GET',
    url: '/openapi.json',
    config: { scope: 'public' },
    schema: {
      summary: 'This description',
      tags: ['operations'],
      response: { 200: json('OpenAPI 3.1.', Type.Object({}, { additionalProperties: true })) },
    },
    handler: async (request) => {
      const document = app.swagger()
      const caller = await deps.optionalCaller(request)
      if (caller === undefined || !caller.rules.scopes.has('run')) return document
      return withFunctions(document, await deps.functions.list({ caller }))
    },
  })
}
