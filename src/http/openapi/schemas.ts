import { type TSchema, Type } from 'typebox'

/** An error answer in the API description; `problem.ts` builds them. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'urn:oomol-gateway:CODE' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    message: Type.String({ description: 'The same as detail.' }),
    requestId: Type.String(),
    taskID: Type.Optional(Type.String()),
    retryable: Type.Boolean({
      description: 'Whether the caller can repeat the same request without paying twice.',
    }),
    errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
  },
  { $id: 'Problem', description: 'An error answer (RFC 9457).' },
)

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'invalid_request, or upstream_rejected',
  401: 'unauthenticated',
  402: 'insufficient_quota: the account has no credit left',
  403: 'insufficient_scope, package_denied, function_denied or origin_denied',
  404: 'not_found: no such task, or not yours',
  405: 'method_not_allowed',
  408: 'request_timeout: the body did not arrive in time',
  409: 'create_outcome_unknown, or upstream_rejected',
  413: 'too_large',
  415: 'unsupported_media_type',
  422: 'task_failed, idempotency_key_reused or upstream_rejected',
  429: 'rate_limited, too_many_runs or upstream_rate_limited',
  500: 'internal: a fault of the gateway',
  502: 'upstream_unreachable, upstream_error, upstream_invalid_response, upstream_auth_failed or create_outcome_unknown',
  503: 'overloaded, draining, upstream_unavailable or store_unavailable',
  504: 'upstream_timeout',
}

/** The errors that every route behind a token can answer with. */
const COMMON_PROBLEMS = [400, 401, 403, 405, 429, 500, 502, 503, 504] as const

const header = (description: string) => ({ description, schema: Type.String() })

const ANSWER_HEADERS = {
  'X-Request-ID': header("The caller's own id if it is valid, otherwise a new one."),
}
export const TASK_HEADERS = {
  ...ANSWER_HEADERS,
  'X-Task-ID': header('The task of this answer.'),
  'Idempotency-Replayed': header('true: the task was created by an earlier request with the same key.'),
}
export const PENDING_HEADERS = {
  ...TASK_HEADERS,
  Location: header('Where to get the result.'),
  'Retry-After': header('Seconds to wait before asking again.'),
  'Preference-Applied': header('The wait that was used, or respond-async.'),
}

/** Error responses for a route's schema: those of every route, and the given ones. */
export function problems(...statuses: number[]): Record<number, unknown> {
  const all = [...new Set([...COMMON_PROBLEMS, ...statuses])].sort((a, b) => a - b)
  return Object.fromEntries(all.map((status) => [status, problem(status)]))
}

function problem(status: number): unknown {
  const retryAfter = status === 429 || status === 503 ? { 'Retry-After': header('Seconds.') } : {}
  return {
    description: PROBLEMS[status] ?? 'An error',
    headers: { ...ANSWER_HEADERS, ...retryAfter },
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
  }
}

/** A JSON response for a route's schema. */
export function json(description: string, schema: TSchema, headers: object = ANSWER_HEADERS): unknown {
  return { description, headers, content: { 'application/json': { schema } } }
}

/** A JSON object from upstream, with members that we do not describe. */
export const UpstreamObject = Type.Object({}, { additionalProperties: true })

/** A JSON body for a route's schema. It is only described here; the route validates it. */
export function jsonBody(schema: TSchema): { content: Record<string, { schema: TSchema }> } {
  return { content: { 'application/json': { schema } } }
}

/** A member of a route's schema that marks its body as optional. It is removed from the description. */
export const OPTIONAL_BODY = 'x-optional-body'

/** The same, or a form: text fields named as the members are, and a file for each input that takes one. */
export function jsonOrFormBody(schema: TSchema): { content: Record<string, { schema: TSchema }> } {
  const form = Type.Object(
    {},
    {
      additionalProperties: Type.String({ format: 'binary' }),
      description:
        'Text fields as the JSON body has members (inputValues as JSON), and file fields named after inputs.',
    },
  )
  return { content: { 'application/json': { schema }, 'multipart/form-data': { schema: form } } }
}

export const TaskParams = Type.Object({
  taskID: Type.String({ description: 'The id from the answer to the create.' }),
})

export const WaitQuery = Type.Object(
  { wait: Type.Optional(Type.String({ description: 'Seconds to wait for the end of the task.' })) },
  { additionalProperties: false },
)
export const NoQuery = Type.Object({}, { additionalProperties: false })

export const PreferHeader = Type.Object({
  Prefer: Type.Optional(Type.String({ description: 'wait=SECONDS, or respond-async (RFC 7240).' })),
  Accept: Type.Optional(Type.String({ description: 'text/event-stream for server-sent events.' })),
})

/** Of every route that creates a task. */
export const KeyHeader = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description:
        'One task for all requests with the same key and body; 1 to 255 visible ASCII characters, kept for 24 h.',
    }),
  ),
})
export const RunHeaders = Type.Object({ ...PreferHeader.properties, ...KeyHeader.properties })

/** The answers of a finished run, of a pending one, and of one that was just created. */
export const RunSuccess = Type.Object({
  taskID: Type.String(),
  status: Type.Literal('success'),
  resultURL: Type.Union([Type.String(), Type.Null()]),
  resultData: Type.Optional(Type.Unknown({ description: "The block's outputs, as upstream gave them." })),
})
export const RunPending = Type.Object({
  taskID: Type.String(),
  status: Type.String({ description: 'queued, scheduling, scheduled, running, or one that is new.' }),
  progress: Type.Number(),
})
export const TaskCreated = Type.Object({ taskID: Type.String(), status: Type.Literal('queued') })
