import type { Static } from 'typebox'
import { type CreateRequest, toCreateRequest } from '../domain/create-request.ts'
import { memberBytes } from '../domain/json.ts'
import { NEW_TASK, toSuccessBody } from '../domain/task.ts'
import { chooseWait } from '../domain/wait.ts'
import { GatewayError, toTaskFailure } from '../errors.ts'
import { checkNames } from '../services/callers/rules.ts'
import type { KeyUse } from '../services/idempotency/keyed-create.ts'
import type { AwaitedTask, RunOutcome, Runs } from '../services/runs/runs.ts'
import { toKeyUse } from './key-argument.ts'
import { type Tool, type ToolCall, type ToolOutput, toOutput } from './tool.ts'
import { howToGoOn } from './tool-result.ts'
import { AwaitInput, CreateInput, CreateOutput, ExecuteInput, RunOutput, TaskInput } from './tool-schemas.ts'

/** `waits` are milliseconds. */
export type RunToolDeps = {
  runs: Runs
  waits: { defaultMs: number; maxMs: number }
  now: () => number
}

/** The tools that create tasks and wait for them. */
export function createRunTools(parts: RunToolDeps): Tool[] {
  return [
    createTool(parts, {
      name: 'create_task',
      title: 'Create a task',
      description: 'Starts a block of a package and answers at once with the id of its task. Costs money.',
    }),
    executeTool(parts, {
      name: 'execute_task',
      title: 'Run a block',
      description:
        'Runs a block of a package and waits for its result. If the wait ends first, the answer has the taskID to go on with. Costs money.',
    }),
    createTool(parts, {
      name: 'create_block_task',
      title: 'Create a task of a block',
      description:
        'The same as create_task: starts a block of a package and answers at once with the id of its task. Costs money.',
    }),
    executeTool(parts, {
      name: 'execute_block_task',
      title: 'Run a block to its end',
      description:
        'The same as execute_task: runs a block of a package and waits for its result. Costs money.',
    }),
    awaitTool(parts),
    resultTool(parts),
  ]
}

type Words = Pick<Tool, 'name' | 'title' | 'description'>

function createTool({ runs }: RunToolDeps, words: Words): Tool {
  return {
    ...words,
    scope: 'run',
    effect: 'runs',
    waits: false,
    input: CreateInput,
    output: CreateOutput,
    run: async (call) => {
      const { create, keyUse } = toCreate(call)
      const { taskID } = await runs.create(call.context, create, keyUse)
      const said = { taskID, status: 'queued', next: howToGoOn(taskID) }
      return { structured: said, text: JSON.stringify(said) }
    },
  }
}

function executeTool(parts: RunToolDeps, words: Words): Tool {
  return {
    ...words,
    scope: 'run',
    effect: 'runs',
    waits: true,
    input: ExecuteInput,
    output: RunOutput,
    run: async (call) => {
      const { waitSeconds } = call.input.value as Static<typeof ExecuteInput>
      return runAndWait(parts, call, waitSeconds, async () => toCreate(call))
    },
  }
}

/** A create, and the key by which a repeat of the call is known. */
export type PreparedCall = { create: CreateRequest; keyUse: KeyUse | undefined }

/** Creates what `prepare` makes of a call, and waits for it. */
export async function runAndWait(
  parts: RunToolDeps,
  call: ToolCall,
  waitSeconds: number | undefined,
  prepare: () => Promise<PreparedCall>,
): Promise<ToolOutput> {
  const leave = parts.runs.enter(call.context)
  try {
    const { create, keyUse } = await prepare()
    const created = await parts.runs.create(call.context, create, keyUse)
    call.tell(created.taskID, NEW_TASK)
    return await waitForEnd(parts, call, waitSeconds, { ...created, isOwn: true, isNew: !created.isReplayed })
  } finally {
    leave()
  }
}

function awaitTool(parts: RunToolDeps): Tool {
  return {
    name: 'await_result',
    title: 'Wait for a task',
    description: 'Waits for the end of a task and gives its result. May be called again and again.',
    scope: 'tasks:read',
    effect: 'reads',
    waits: true,
    input: AwaitInput,
    output: RunOutput,
    run: async (call) => {
      const { taskID, waitSeconds } = call.input.value as Static<typeof AwaitInput>
      call.context.trace.taskID = taskID
      const leave = parts.runs.enter(call.context)
      try {
        const awaited = { taskID, createdAtMs: parts.now(), isNew: false }
        return await waitForEnd(parts, call, waitSeconds, awaited)
      } finally {
        leave()
      }
    },
  }
}

function resultTool({ runs }: RunToolDeps): Tool {
  return {
    name: 'get_task_result',
    title: 'Result of a task',
    description: 'The result of a task, or how far it is, without waiting.',
    scope: 'tasks:read',
    effect: 'reads',
    waits: false,
    input: TaskInput,
    output: RunOutput,
    run: async ({ context, input }) => {
      const { taskID } = input.value as Static<typeof TaskInput>
      context.trace.taskID = taskID
      return toRunOutput(await runs.look(context, taskID))
    },
  }
}

async function waitForEnd(
  { runs, waits }: RunToolDeps,
  call: ToolCall,
  waitSeconds: number | undefined,
  awaited: AwaitedTask,
): Promise<ToolOutput> {
  const { ms } = chooseWait(waitSeconds, undefined, waits)
  const onState = (state: Parameters<ToolCall['tell']>[1]) => call.tell(awaited.taskID, state)
  return toRunOutput(await runs.wait(call.context, awaited, { waitMs: ms, onState }))
}

/** A run as a tool answers it; a task that failed is thrown with its id. */
function toRunOutput(end: RunOutcome): ToolOutput {
  const { taskID } = end
  if (end.kind === 'pending') {
    const said = { taskID, status: end.status, progress: end.progress, next: howToGoOn(taskID) }
    return { structured: said, text: JSON.stringify(said) }
  }
  if (end.task.kind === 'success') return toOutput(toSuccessBody(taskID, end.task))
  throw new GatewayError(toTaskFailure(end.task), { taskID })
}

/** All tools that create make the same of the same arguments, so they share their keys. */
function toCreate({ input }: ToolCall): PreparedCall {
  const { packageName, packageVersion, blockName, idempotencyKey } = input.value as Static<typeof CreateInput>
  const inputValues = memberBytes(input, 'inputValues')
  const create = checkNames(toCreateRequest({ packageName, packageVersion, blockName, inputValues }))
  return { create, keyUse: toKeyUse(idempotencyKey, 'block', create.body) }
}
