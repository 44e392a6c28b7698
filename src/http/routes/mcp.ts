import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { GatewayError } from '../../errors.ts'
import type { McpEndpoint } from '../../mcp/mcp-endpoint.ts'
import { refuseRebinding } from '../access/rebinding.ts'
import { readJsonBytes } from '../body/json-body.ts'
import { defineRoute, type Route } from '../openapi/route.ts'
import { jsonBody, NoQuery, problems, UpstreamObject } from '../openapi/schemas.ts'
import { toContext } from '../request/http-exchange.ts'
import { headerOf } from '../request/request-headers.ts'

type McpRouteDeps = {
  mcp: McpEndpoint
  /** The address the gateway listens on. */
  host: string
  maxBodyBytes: number
  /** Exact origins for every caller. */
  allowedOrigins: readonly string[]
}

/** The headers that the protocol reads, each with its reason; no other reaches it. */
const PROTOCOL_HEADERS = [
  // Whether the client takes JSON and streams.
  'accept',
  // The library refuses any type but JSON by itself.
  'content-type',
  // Which rules hold: batches, and what a first message has to be.
  'mcp-protocol-version',
  // The client's name, by which a cancellation finds its call.
  'mcp-session-id',
  // In later versions, the method and the tool of the body; the library compares them.
  'mcp-method',
  'mcp-name',
]

const DESCRIPTION = `Streamable HTTP, stateless: one JSON-RPC message in, JSON or server-sent events out. Only gateway tokens.
Scope: \`any-caller\`; each tool needs the scope of its route. What the protocol refuses (400 for what is not a message, 406
unless Accept names application/json and text/event-stream) is a JSON-RPC error instead of a problem.`

const Message = Type.Object(
  {
    jsonrpc: Type.Literal('2.0'),
    id: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
    method: Type.String({ description: 'initialize, tools/list, tools/call, …' }),
    params: Type.Optional(UpstreamObject),
  },
  { additionalProperties: true },
)

/** `POST /mcp`: streamable HTTP without sessions. Errors before the protocol are problems, later ones JSON-RPC. */
export function postMcp(deps: McpRouteDeps): Route {
  return defineRoute({
    method: 'POST',
    url: '/mcp',
    config: { scope: 'any-caller' },
    schema: {
      summary: 'The tools of the gateway over MCP',
      description: DESCRIPTION,
      tags: ['mcp'],
      querystring: NoQuery,
      body: jsonBody(Message),
      response: {
        200: {
          description: "The answer, or, for a call that waits, the call's progress and its answer.",
          content: {
            'application/json': { schema: UpstreamObject },
            'text/event-stream': { schema: Type.String() },
          },
        },
        202: { description: 'A notification was taken.' },
        ...problems(408, 413, 415),
      },
    },
    handler: async (request, reply) => {
      refuseUser(request)
      refuseRebinding(request, deps)
      const context = toContext(request, reply)
      const body = await readJsonBytes(request, reply, deps.maxBodyBytes)
      return sendResponse(reply, await deps.mcp.answer({ context, headers: protocolHeaders(request), body }))
    },
  })
}

function refuseUser({ caller }: FastifyRequest): void {
  if (caller?.kind !== 'user') return
  throw new GatewayError({ code: 'unauthenticated', detail: 'Send a gateway token: MCP takes no cookies.' })
}

function protocolHeaders(request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of PROTOCOL_HEADERS) {
    const value = headerOf(request, name)
    if (value !== undefined) headers[name] = value
  }
  return headers
}

/** The library's answer as ours. The `connection` header is for the gateway alone to set. */
async function sendResponse(reply: FastifyReply, response: Response): Promise<FastifyReply> {
  reply.code(response.status)
  for (const [name, value] of response.headers) if (name !== 'connection') reply.header(name, value)
  if (response.body === null) return reply.send()
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) return reply.send(response.body)
  return reply.send(Buffer.from(await response.arrayBuffer()))
}
