import { arrayElements, isJsonObject, JsonError, type JsonObject, parseJsonObject } from '../domain/json.ts'

/** A body of `POST /mcp`: parsed for the protocol, with the arguments of each call as they came. */
export type McpMessage = {
  parsed: unknown
  isBatch: boolean
  /** The messages, one or, in a batch, several. */
  messages: readonly JsonObject['value'][]
  /** The arguments of each `tools/call`, by the id of its request. */
  argumentsOf: ReadonlyMap<unknown, JsonObject>
}

/** Why a body is not JSON-RPC: the code and the text of the error that answers it. */
export class JsonRpcError extends Error {
  override readonly name = 'JsonRpcError'
  readonly code: -32700 | -32600

  constructor(code: -32700 | -32600, message: string) {
    super(message)
    this.code = code
  }
}

/** More messages than any client has sent in one batch; later versions of the protocol have no batches. */
const MAX_BATCH = 100

const NO_ARGUMENTS: JsonObject = { bytes: Buffer.from('{}'), value: {}, members: [] }

/** Reads a body. Throws `JsonRpcError` for what is not JSON, or is JSON that two parsers would read differently. */
export function readMessage(body: Buffer): McpMessage {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    throw new JsonRpcError(-32700, 'The body is not valid JSON.')
  }
  try {
    return toMessage(body, Array.isArray(parsed) ? parsed.length : undefined)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new JsonRpcError(-32600, error.message)
  }
}

function toMessage(body: Buffer, batchSize: number | undefined): McpMessage {
  // Before the batch is taken apart: that costs much more than its bytes.
  if (batchSize === 0 || (batchSize ?? 1) > MAX_BATCH) {
    throw new JsonRpcError(-32600, `A batch has 1 to ${MAX_BATCH} messages.`)
  }
  const isBatch = batchSize !== undefined
  const texts = isBatch ? arrayElements(body) : [body]
  const objects = texts.map(parseJsonObject)
  const argumentsOf = new Map<unknown, JsonObject>()
  for (const object of objects) {
    const { method, id } = object.value
    if (method !== 'tools/call' || id === undefined) continue
    if (argumentsOf.has(id)) throw new JsonRpcError(-32600, 'An id appears more than once in the batch.')
    argumentsOf.set(id, callArguments(object))
  }
  const messages = objects.map(({ value }) => value)
  return { parsed: isBatch ? messages : messages[0], isBatch, messages, argumentsOf }
}

function callArguments(message: JsonObject): JsonObject {
  const params = objectMember(message, 'params')
  return (params && objectMember(params, 'arguments')) ?? NO_ARGUMENTS
}

function objectMember(object: JsonObject, name: string): JsonObject | undefined {
  const member = object.members.find((candidate) => candidate.name === name)
  return member !== undefined && isJsonObject(object.value[name]) ? parseJsonObject(member.bytes) : undefined
}
