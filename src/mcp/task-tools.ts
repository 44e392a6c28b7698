import type { Static } from 'typebox'
import type { Tasks } from '../services/tasks/tasks.ts'
import { type Tool, toOutput } from './tool.ts'
import {
  DashboardOutput,
  LatestInput,
  LatestOutput,
  ListInput,
  ListOutput,
  NoInput,
  PauseInput,
  PauseOutput,
  TaskInput,
  TaskOutput,
} from './tool-schemas.ts'

/** The tools that read tasks. */
export function createTaskTools(tasks: Tasks): Tool[] {
  return [
    {
      ...reading('list_tasks', 'List tasks', 'Lists tasks, a page at a time.'),
      input: ListInput,
      output: ListOutput,
      run: async ({ context, input }) => {
        const { size, ...query } = input.value as Static<typeof ListInput>
        return toOutput(await tasks.list(context, { ...query, ...(size && { size: String(size) }) }))
      },
    },
    {
      ...reading('get_latest_tasks', 'Latest tasks', 'The latest task of each of some workloads.'),
      input: LatestInput,
      output: LatestOutput,
      run: async ({ context, input }) => {
        const { workloadIDs } = input.value as Static<typeof LatestInput>
        const list = await tasks.latest(context, workloadIDs)
        // Upstream answers with a bare list, which structured content can't be.
        return toOutput(Buffer.concat([Buffer.from('{"tasks":'), list, Buffer.from('}')]))
      },
    },
    {
      ...reading('get_task', 'A task', 'Describes a task in detail: its block, its status, its times.'),
      input: TaskInput,
      output: TaskOutput,
      run: async ({ context, input }) => {
        const { taskID } = input.value as Static<typeof TaskInput>
        context.trace.taskID = taskID
        return toOutput(await tasks.detail(context, taskID))
      },
    },
  ]
}

/** The tools of the queue of tasks. */
export function createQueueTools(tasks: Tasks): Tool[] {
  return [
    {
      name: 'get_dashboard',
      title: 'The queue',
      description: 'Limits of the queue, how many tasks are in it, and whether it is paused.',
      scope: 'queue:read',
      effect: 'reads',
      waits: false,
      input: NoInput,
      output: DashboardOutput,
      run: async ({ context }) => toOutput(await tasks.dashboard(context)),
    },
    {
      ...writing('set_tasks_pause', 'Pause or resume', 'Pauses or resumes the queue of the whole account.'),
      input: PauseInput,
      output: PauseOutput,
      run: async ({ context, input }) => {
        const { paused } = input.value as Static<typeof PauseInput>
        return toOutput(await tasks.setPaused(context, paused))
      },
    },
    {
      ...writing('pause_user_queue', 'Pause the queue', 'Pauses the queue of the whole account.'),
      input: NoInput,
      output: PauseOutput,
      run: async ({ context }) => toOutput(await tasks.setPaused(context, true)),
    },
    {
      ...writing('resume_user_queue', 'Resume the queue', 'Resumes the queue of the whole account.'),
      input: NoInput,
      output: PauseOutput,
      run: async ({ context }) => toOutput(await tasks.setPaused(context, false)),
    },
  ]
}

type ToolHead = Omit<Tool, 'input' | 'output' | 'run'>

function reading(name: string, title: string, description: string): ToolHead {
  return { name, title, description, scope: 'tasks:read', effect: 'reads', waits: false }
}

function writing(name: string, title: string, description: string): ToolHead {
  return { name, title, description, scope: 'queue:write', effect: 'writes', waits: false }
}
