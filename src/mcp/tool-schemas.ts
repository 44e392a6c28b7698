import { Type } from 'typebox'
import { IDEMPOTENCY_KEY_PATTERN, TASK_ID_PATTERN } from '../domain/names.ts'
import { LIST_FILTERS, MAX_PAGE_SIZE, MAX_WORKLOADS, WorkloadID } from '../services/tasks/task-queries.ts'

/** What the inputs of the tools are made of. */
const TaskID = Type.String({
  pattern: TASK_ID_PATTERN,
  description: 'The id of a task, as the tool that created it gave it.',
})

const WaitSeconds = Type.Optional(
  Type.Number({
    minimum: 0,
    description: 'How long to wait, in seconds; the gateway has a default and a maximum.',
  }),
)

export const IdempotencyKey = Type.Optional(
  Type.String({
    pattern: IDEMPOTENCY_KEY_PATTERN,
    description:
      'Makes a repeat safe: the same key with the same arguments never creates a second task. Use a new random value for each run.',
  }),
)

const CREATE = {
  packageName: Type.String({ description: 'The package, such as @acme/ocr.' }),
  packageVersion: Type.String({ description: 'An exact version such as 1.4.0, or latest.' }),
  blockName: Type.String({ description: 'The block of the package to run.' }),
  inputValues: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "The block's inputs by name. For a file, the URL that upload_file gave.",
    }),
  ),
  idempotencyKey: IdempotencyKey,
}

export const CreateInput = Type.Object(CREATE, { additionalProperties: false })
export const ExecuteInput = Type.Object(
  { ...CREATE, waitSeconds: WaitSeconds },
  { additionalProperties: false },
)
export const TaskInput = Type.Object({ taskID: TaskID }, { additionalProperties: false })
export const AwaitInput = Type.Object(
  { taskID: TaskID, waitSeconds: WaitSeconds },
  { additionalProperties: false },
)
export const NoInput = Type.Object({}, { additionalProperties: false })

export const ListInput = Type.Object(
  {
    size: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_PAGE_SIZE, description: 'How many tasks a page has.' }),
    ),
    ...LIST_FILTERS,
  },
  { additionalProperties: false },
)

export const LatestInput = Type.Object(
  {
    workloadIDs: Type.Array(WorkloadID, {
      minItems: 1,
      maxItems: MAX_WORKLOADS,
      description: 'The workloads to list.',
    }),
  },
  { additionalProperties: false },
)

export const PauseInput = Type.Object(
  { paused: Type.Boolean({ description: 'true pauses the queue, false resumes it.' }) },
  { additionalProperties: false },
)

export const UploadInput = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'The name of the file, with its extension.',
    }),
    content: Type.String({ description: 'The bytes of the file in base64.' }),
  },
  { additionalProperties: false },
)

/** What the tools answer. Objects from upstream may have more members than are named here. */
const Upstream = { additionalProperties: true }

export const CreateOutput = Type.Object({
  taskID: Type.String(),
  status: Type.Literal('queued'),
  next: Type.String({ description: 'How to get the result.' }),
})

export const RunOutput = Type.Object({
  taskID: Type.String(),
  status: Type.String({
    description: 'success: the result is here. Anything else: the task goes on, see next.',
  }),
  progress: Type.Optional(Type.Number()),
  resultURL: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  resultData: Type.Optional(Type.Unknown({ description: "The block's outputs." })),
  next: Type.Optional(Type.String({ description: 'How to go on while the task runs.' })),
})

export const ListOutput = Type.Object(
  {
    tasks: Type.Array(Type.Object({}, Upstream)),
    nextToken: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  Upstream,
)
export const LatestOutput = Type.Object({ tasks: Type.Array(Type.Object({}, Upstream)) })
export const TaskOutput = Type.Object({}, { ...Upstream, description: 'The task, as upstream describes it.' })
export const DashboardOutput = Type.Object(
  {},
  { ...Upstream, description: 'limits, count and pause of the queue.' },
)
export const PauseOutput = Type.Object(
  {},
  { ...Upstream, description: 'pauseType: what pauses the queue now, or null.' },
)
export const UploadOutput = Type.Object(
  {
    name: Type.String(),
    url: Type.String({ description: 'To be used as an input; lives one day.' }),
    size: Type.Number(),
    mimeType: Type.String(),
    expiresAt: Type.Union([Type.String(), Type.Null()]),
  },
  Upstream,
)
