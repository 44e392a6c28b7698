import { randomUUID } from 'node:crypto'
import {
  createMcpHandler,
  McpServer,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server'
import type { TSchema } from 'typebox'
import { isJsonObject, type JsonObject } from '../domain/json.ts'
import type { Log } from '../domain/log.ts'
import type { RequestContext } from '../services/callers/request-context.ts'
import { callTool } from './call-tool.ts'
import { JsonRpcError, type McpMessage, readMessage } from './message.ts'
import { createRunningCalls, type RunningCalls } from './running-calls.ts'
import type { Tool, ToolEffect } from './tool.ts'
import { createToolBox, type ToolBox, type ToolBoxDeps } from './tool-box.ts'

/** One `POST /mcp`: who sent it, the headers that the protocol reads, and the whole body. */
type McpRequest = { context: RequestContext; headers: Record<string, string>; body: Buffer }

/** The MCP server: an answer to each request, with nothing kept between them. */
export type McpEndpoint = { answer(request: McpRequest): Promise<Response> }

type McpEndpointDeps = ToolBoxDeps & {
  version: string
  log: Pick<Log, 'error'>
  /** A comment this often, in milliseconds, keeps a stream open on which nothing happens. */
  keepAliveMs: number
}

/** The first version without batches (its changelog). Versions are dates, so they compare as texts. */
const FIRST_WITHOUT_BATCHES = '2025-06-18'
const SESSION_HEADER = 'mcp-session-id'

const INSTRUCTIONS = `Runs functions on OOMOL Cloud. A run is a task: it is paid for, and it goes on when a wait ends. \
When an answer has a taskID, never start the run again: ask for its result with await_result.`

/** One request, as each call of a tool in it is served. */
type McpCall = {
  context: RequestContext
  session: string | undefined
  message: McpMessage
  calls: RunningCalls
  log: Pick<Log, 'error'>
}

export function createMcpEndpoint(deps: McpEndpointDeps): McpEndpoint {
  const { version, log, keepAliveMs, runs, waits, tasks, uploads, functions } = deps
  const toolBox = createToolBox({ runs, waits, tasks, uploads, functions })
  const calls = createRunningCalls()
  return {
    answer: async ({ context, headers, body }) => {
      const refusal = refuseAccept(headers.accept)
      if (refusal !== undefined) return refusal
      let message: McpMessage
      try {
        message = readMessage(body)
      } catch (error) {
        if (!(error instanceof JsonRpcError)) throw error
        return toErrorResponse(400, error.code, error.message)
      }
      const protocolVersion = headers['mcp-protocol-version'] ?? ''
      if (message.isBatch && protocolVersion >= FIRST_WITHOUT_BATCHES) {
        return toErrorResponse(
          400,
          -32600,
          `There are no batches in version ${protocolVersion.slice(0, 20)}.`,
        )
      }
      const session = headers[SESSION_HEADER]
      for (const one of message.messages) calls.cancelBy(context.caller.id, session, one)
      const tools = await toolsFor(toolBox, context, message)
      const server = createServer(version, tools, { context, session, message, calls, log })
      const request = new Request('http://gateway.invalid/mcp', { method: 'POST', headers })
      const handler = createMcpHandler(() => server, {
        // A stream only for calls that wait; no client is notified of changes, because nothing is kept of it.
        responseMode: tools.some((tool) => tool.waits) && !listsTools(message) ? 'sse' : 'auto',
        maxSubscriptions: 0,
        keepAliveMs,
      })
      return nameSession(await handler.fetch(request, { parsedBody: message.parsed }), message)
    },
  }
}

/** The tools that the messages are about: all for a list, the ones named for calls, else none. */
async function toolsFor(toolBox: ToolBox, context: RequestContext, message: McpMessage): Promise<Tool[]> {
  if (listsTools(message)) return toolBox.list(context)
  const names = new Set<string>()
  for (const { method, params } of message.messages) {
    if (method === 'tools/call' && isJsonObject(params) && typeof params.name === 'string') {
      names.add(params.name)
    }
  }
  const tools = await Promise.all([...names].map((name) => toolBox.find(context, name)))
  return tools.filter((tool) => tool !== undefined)
}

function listsTools({ messages }: McpMessage): boolean {
  return messages.some(({ method }) => method === 'tools/list')
}

function createServer(version: string, tools: readonly Tool[], call: McpCall): McpServer {
  const server = new McpServer(
    { name: 'oomol-gateway', title: 'OOMOL gateway', version },
    { capabilities: { tools: { listChanged: false } }, instructions: INSTRUCTIONS },
  )
  for (const tool of tools) {
    const { name, title, description, input, output, effect } = tool
    const definition = {
      title,
      description,
      inputSchema: toStandardSchema(input),
      outputSchema: toStandardSchema(output),
      annotations: toAnnotations(effect),
    }
    server.registerTool(name, definition, async (_input, { mcpReq }: ServerContext) =>
      runCall(tool, mcpReq, call),
    )
  }
  return server
}

/** One call, with a signal that aborts when the caller has left or cancelled. */
async function runCall(tool: Tool, mcpReq: ServerContext['mcpReq'], call: McpCall) {
  const { context, session, message, calls, log } = call
  const controller = new AbortController()
  const cancel = () => controller.abort()
  const forget = calls.add(context.caller.id, session, mcpReq.id, cancel)
  for (const signal of [context.signal, mcpReq.signal]) {
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
  }
  try {
    const input = message.argumentsOf.get(mcpReq.id) as JsonObject
    return await callTool(tool, input, { ...context, signal: controller.signal }, mcpReq, log)
  } finally {
    forget()
    context.signal.removeEventListener('abort', cancel)
    mcpReq.signal.removeEventListener('abort', cancel)
  }
}

/** A JSON Schema as the library takes it. It validates nothing: it does not see the caller's bytes, which are checked later. */
function toStandardSchema(schema: TSchema): StandardSchemaWithJSON {
  const toJson = () => schema as unknown as Record<string, unknown>
  return {
    '~standard': {
      version: 1,
      vendor: 'oomol-gateway',
      validate: (value) => ({ value }),
      jsonSchema: { input: toJson, output: toJson },
    },
  }
}

function toAnnotations(effect: ToolEffect) {
  return {
    readOnlyHint: effect === 'reads',
    destructiveHint: false,
    idempotentHint: effect === 'reads',
    openWorldHint: effect === 'runs',
  }
}

/** Gives a client that begins a session a name to cancel by; nothing is kept under it. */
function nameSession(response: Response, { messages }: McpMessage): Response {
  if (messages.some(({ method }) => method === 'initialize') && response.ok) {
    response.headers.set(SESSION_HEADER, randomUUID())
  }
  return response
}

/** The protocol wants both types accepted, because the server chooses between them. */
function refuseAccept(accept = ''): Response | undefined {
  const types = accept.toLowerCase()
  if (types.includes('application/json') && types.includes('text/event-stream')) return undefined
  return toErrorResponse(406, -32000, 'Accept must name application/json and text/event-stream.')
}

function toErrorResponse(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status })
}
