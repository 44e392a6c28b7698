import type { Static } from 'typebox'
import { memberBytes } from '../domain/json.ts'
import { NEW_TASK, toSuccessBody } from '../domain/task.ts'
import { chooseWait, type WaitLimits } from '../domain/wait.ts'
import { GatewayError, toTaskFailure } from '../errors.ts'
import type { PreparedRun } from '../services/runs/create-task.ts'
import { toDirectCreate } from '../services/runs/direct-create.ts'
import type { RunOutcome } from '../services/runs/run-outcome.ts'
import type { PrepareRun, Runs } from '../services/runs/runs.ts'
import { toKeyUse } from './key-argument.ts'
import { type Tool, type ToolCall, type ToolOutput, toOutput, toStructuredOutput } from './tool.ts'
import { howToGoOn } from './tool-result.ts'
import { AwaitInput, CreateInput, CreateOutput, ExecuteInput, RunOutput, TaskInput } from './tool-schemas.ts'

export type RunToolDeps = { runs: Runs; waits: WaitLimits }

/** The tools that create tasks and wait for them. */
export function createRunTools(deps: RunToolDeps): Tool[] {
  return [
    createTool(deps, {
      name: 'create_task',
      title: 'Create a task',
      description: 'Starts a block of a package and answers at once with the id of its task. Costs money.',
    }),
    executeTool(deps, {
      name: 'execute_task',
      title: 'Run a block',
      description:
        'Runs a block of a package and waits for its result. If the wait ends first, the answer has the taskID to go on with. Costs money.',
    }),
    createTool(deps, {
      name: 'create_block_task',
      title: 'Create a task of a block',
      description:
        'The same as create_task: starts a block of a package and answers at once with the id of its task. Costs money.',
    }),
    executeTool(deps, {
      name: 'execute_block_task',
      title: 'Run a block to its end',
      description:
        'The same as execute_task: runs a block of a package and waits for its result. Costs money.',
    }),
    awaitTool(deps),
    resultTool(deps),
  ]
}

type ToolNames = Pick<Tool, 'name' | 'title' | 'description'>

function createTool({ runs }: RunToolDeps, names: ToolNames): Tool {
  return {
    ...names,
    scope: 'run',
    effect: 'runs',
    waits: false,
    input: CreateInput,
    output: CreateOutput,
    run: async (call) => {
      const { taskID } = await runs.create(call.context, async () => toPreparedRun(call))
      return toStructuredOutput({ taskID, status: 'queued', next: howToGoOn(taskID) })
    },
  }
}

function executeTool({ runs, waits }: RunToolDeps, names: ToolNames): Tool {
  return {
    ...names,
    scope: 'run',
    effect: 'runs',
    waits: true,
    input: ExecuteInput,
    output: RunOutput,
    run: async (call) => {
      const { waitSeconds } = call.input.value as Static<typeof ExecuteInput>
      return runAndAnswer(runs, call, toWaitMs(waitSeconds, waits), async () => toPreparedRun(call))
    },
  }
}

/** Runs what `prepare` makes of a call, and answers with its outcome. `waitMs`: how long to wait for its end. */
export async function runAndAnswer(
  runs: Runs,
  { context, reportState }: ToolCall,
  waitMs: number,
  prepare: PrepareRun,
): Promise<ToolOutput> {
  const outcome = await runs.run(context, prepare, {
    waitMs,
    onCreated: ({ taskID }) => reportState(taskID, NEW_TASK),
    onState: reportState,
  })
  return toRunOutput(outcome)
}

function awaitTool({ runs, waits }: RunToolDeps): Tool {
  return {
    name: 'await_result',
    title: 'Wait for a task',
    description: 'Waits for the end of a task and gives its result. May be called again and again.',
    scope: 'tasks:read',
    effect: 'reads',
    waits: true,
    input: AwaitInput,
    output: RunOutput,
    run: async ({ context, input, reportState }) => {
      const { taskID, waitSeconds } = input.value as Static<typeof AwaitInput>
      context.trace.taskID = taskID
      const options = { waitMs: toWaitMs(waitSeconds, waits), onState: reportState }
      return toRunOutput(await runs.follow(context, taskID, options))
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
      return toRunOutput(await runs.poll(context, taskID))
    },
  }
}

/** The wait of a call in milliseconds: what it asked for, within the limits, or the default. */
export function toWaitMs(waitSeconds: number | undefined, waits: WaitLimits): number {
  return chooseWait(waitSeconds, undefined, waits).ms
}

/** A run as a tool answers it; a task that failed is thrown with its id. */
function toRunOutput(outcome: RunOutcome): ToolOutput {
  const { taskID } = outcome
  if (outcome.kind === 'pending') {
    const { status, progress } = outcome
    return toStructuredOutput({ taskID, status, progress, next: howToGoOn(taskID) })
  }
  if (outcome.task.kind === 'success') return toOutput(toSuccessBody(taskID, outcome.task))
  throw new GatewayError(toTaskFailure(outcome.task), { taskID })
}

/** All tools that create make the same of the same arguments, so they share their keys. */
function toPreparedRun({ input }: ToolCall): PreparedRun {
  const { packageName, packageVersion, blockName, idempotencyKey } = input.value as Static<typeof CreateInput>
  const inputValues = memberBytes(input, 'inputValues')
  const create = toDirectCreate({ packageName, packageVersion, blockName, inputValues })
  return { create, keyUse: toKeyUse(idempotencyKey, 'block', create.body) }
}
