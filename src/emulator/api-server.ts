import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Answer, errorAnswer, send } from './answers.ts'
import type { ApiRequest } from './api-request.ts'
import type { AppliedFaults, FaultPlan } from './faults.ts'
import type { Authenticate } from './identity.ts'
import type { Operation } from './operation-names.ts'
import type { Recorder } from './recorder.ts'
import type { RecordedRequest } from './request-history.ts'
import { drainBody, hasBody, readBody, serve, splitTarget } from './serve.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024
const NO_BODY = Buffer.alloc(0)

/** One operation of the API. A pattern's groups become `params`, percent-decoded. */
export type Route = {
  readonly operation: Operation
  readonly method: 'GET' | 'POST'
  readonly path: string | RegExp
  handle(request: ApiRequest): Answer
}

type ApiServerDeps = {
  readonly recorder: Recorder
  readonly faults: FaultPlan
  readonly routes: readonly Route[]
  readonly authenticate: Authenticate
  /** Answers the paths under `/_emulator/`, which are not counted and to which no fault applies. */
  control(method: string, path: string, body: Buffer): Answer
}

type Match = { readonly operation: Operation; readonly params: readonly string[]; readonly route?: Route }

/** Serves task API, upload API, registry and the control plane on one port. */
export function createApiListener(deps: ApiServerDeps): RequestListener {
  const match = createMatcher(deps.routes)
  return (request, response) => {
    const { path, query } = splitTarget(request)
    if (path.startsWith('/_emulator/')) return serveControl(deps, request, response, path)
    const found = match(request.method ?? '', path)
    const record = deps.recorder.head(found.operation, request)
    const faults = deps.faults.take(found.operation)
    withBody(request, response, (body) => {
      keep(record, body)
      deps.recorder.arrive(record)
      if (body === undefined) return refuseLarge(response)
      serve(faults.fault, {
        operation: found.operation,
        request,
        response,
        process: () => process(deps, found, { request, query, body, faults }),
        drain: () => drainBody(request),
      })
    })
  }
}

function process(
  deps: ApiServerDeps,
  found: Match,
  arrived: { request: IncomingMessage; query: string; body: Buffer; faults: AppliedFaults },
): Answer {
  if (found.route === undefined) return errorAnswer(404, 'not found')
  const identity = deps.authenticate(arrived.request.rawHeaders)
  if (typeof identity !== 'string') return identity
  return found.route.handle({
    identity,
    params: found.params,
    query: new URLSearchParams(arrived.query),
    body: arrived.body,
    faults: arrived.faults,
  })
}

function createMatcher(routes: readonly Route[]): (method: string, path: string) => Match {
  const exact = new Map<string, Match>()
  const patterns: { route: Route; pattern: RegExp }[] = []
  for (const route of routes) {
    const { path, operation } = route
    if (typeof path === 'string') exact.set(`${route.method} ${path}`, { operation, params: [], route })
    else patterns.push({ route, pattern: path })
  }
  return (method, path) => {
    const known = exact.get(`${method} ${path}`)
    if (known !== undefined) return known
    for (const { route, pattern } of patterns) {
      const groups = route.method === method ? pattern.exec(path) : null
      const params = groups === null ? undefined : decodeAll(groups.slice(1))
      if (params !== undefined) return { operation: route.operation, params, route }
    }
    return { operation: 'unknown', params: [] }
  }
}

/** Undefined when one of them has a malformed percent-encoding. */
function decodeAll(segments: readonly string[]): string[] | undefined {
  try {
    return segments.map(decodeURIComponent)
  } catch {
    return undefined
  }
}

function serveControl(
  deps: ApiServerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void {
  withBody(request, response, (body) => {
    if (body === undefined) return refuseLarge(response)
    send(response, deps.control(request.method ?? '', path, body))
  })
}

function withBody(request: IncomingMessage, response: ServerResponse, then: (body?: Buffer) => void): void {
  // A client that resets causes an error on either stream; we act on the `close` that follows.
  request.on('error', ignore)
  response.on('error', ignore)
  if (hasBody(request)) readBody(request, MAX_BODY_BYTES, then)
  else then(NO_BODY)
}

function ignore(): void {}

function keep(record: RecordedRequest, body: Buffer | undefined): void {
  if (body === undefined) return
  record.body = body
  record.bytes = body.length
}

function refuseLarge(response: ServerResponse): void {
  send(response, { ...errorAnswer(413, 'the body is too large'), headers: { connection: 'close' } })
}
