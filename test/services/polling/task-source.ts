import { type Credential, createKeyCredential } from '../../../src/cloud/credential.ts'
import type { TaskState } from '../../../src/domain/task.ts'
import type { ListedTask, TaskPage } from '../../../src/domain/task-page.ts'
import { GatewayError } from '../../../src/errors.ts'
import type { PollTask } from '../../../src/services/polling/polled-task.ts'
import type { ReadPage } from '../../../src/services/tasks/task-listings.ts'

/** Tasks that end on command, polled in this process; every poll takes a turn of the loop or more. */
export type TaskSource = {
  credential: Credential
  pollTask: PollTask
  readPage: ReadPage
  add(taskID: string): void
  end(taskID: string): void
  /** How often each task was polled by its id. */
  polls: Map<string, number>
  pages: number
  /** The most polls of one task at the same time that were ever seen. */
  mostAtOnce: number
  /** What the list shows: tasks as they are, none, all as running, or a failure. */
  list: 'right' | 'empty' | 'stale' | 'fails'
}

const RESULT = Buffer.from('null')

export function createTaskSource(delayMs: () => number): TaskSource {
  const tasks = new Map<string, { createdAtMs: number; hasEnded: boolean }>()
  const underWay = new Map<string, number>()
  const pause = () => new Promise((resolve) => setTimeout(resolve, delayMs()))

  const source: TaskSource = {
    credential: createKeyCredential('a-key'),
    polls: new Map(),
    pages: 0,
    mostAtOnce: 0,
    list: 'right',
    add: (taskID) => tasks.set(taskID, { createdAtMs: Date.now(), hasEnded: false }),
    end: (taskID) => {
      const task = tasks.get(taskID)
      if (task) task.hasEnded = true
    },
    pollTask: async (_credential, taskID, signal) => {
      const atOnce = (underWay.get(taskID) ?? 0) + 1
      underWay.set(taskID, atOnce)
      source.mostAtOnce = Math.max(source.mostAtOnce, atOnce)
      source.polls.set(taskID, (source.polls.get(taskID) ?? 0) + 1)
      await pause()
      underWay.set(taskID, (underWay.get(taskID) ?? 1) - 1)
      if (signal.aborted) throw new GatewayError({ code: 'upstream_timeout' })
      const task = tasks.get(taskID)
      if (task === undefined) throw new GatewayError({ code: 'not_found', what: 'task' })
      return toState(task.hasEnded)
    },
    readPage: async (_credential, { size, nextToken }) => {
      source.pages += 1
      await pause()
      if (source.list === 'fails')
        throw new GatewayError({ code: 'upstream_rejected', status: 400, detail: '' })
      if (source.list === 'empty') return { tasks: [], nextToken: undefined }
      const all = [...tasks].reverse()
      const from = Number(nextToken ?? '0')
      const page = all.slice(from, from + size)
      return toPage(page, source.list === 'stale', from + size < all.length ? String(from + size) : undefined)
    },
  }
  return source
}

function toState(hasEnded: boolean): TaskState {
  if (!hasEnded) return { kind: 'running', status: 'running', progress: 1 }
  return { kind: 'success', resultURL: RESULT, resultData: undefined }
}

function toPage(
  page: [string, { createdAtMs: number; hasEnded: boolean }][],
  isStale: boolean,
  nextToken: string | undefined,
): TaskPage {
  const tasks = page.map(([taskID, task]): ListedTask => {
    const hasEnded = task.hasEnded && !isStale
    return {
      taskID,
      hasEnded,
      status: hasEnded ? 'success' : 'running',
      progress: 1,
      createdAtMs: task.createdAtMs,
      packageID: undefined,
      blockName: undefined,
      inputs: () => undefined,
    }
  })
  return { tasks, nextToken }
}
