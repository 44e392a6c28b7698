import { randomUUID } from 'node:crypto'
import type { BlockPlan, Outcome } from './packages.ts'
import { type Phases, stateAt, type Task } from './task-state.ts'

type NewTask = Pick<Task, 'identity' | 'block' | 'inputs' | 'rawBody'> & { plan: BlockPlan }

export type TaskStore = {
  readonly phases: Phases
  create(task: NewTask): Task
  find(taskID: string): Task | undefined
  /** The tasks of one identity, oldest first. */
  list(identity: string): readonly Task[]
  identities(): string[]
  isPaused(identity: string): boolean
  pause(identity: string): void
  /** Releases the tasks that were created during the pause. */
  resume(identity: string): void
  /** Ends a task now. Throws when the task is unknown or has ended already. */
  finish(taskID: string, outcome: Outcome): void
  /** Stops work under way. */
  close(): void
}

type Queue = { tasks: Task[]; bytes: number; paused: boolean; waiting: { task: Task; plan: BlockPlan }[] }

type TaskStoreOptions = {
  readonly phases: Phases
  /** How many tasks of one identity are kept, and with how many bytes of bodies; the oldest go first. */
  readonly maxTasks: number
  readonly maxBodyBytes: number
  readonly now: () => number
}

export function createTaskStore(options: TaskStoreOptions): TaskStore {
  const { phases, maxTasks, maxBodyBytes, now } = options
  const byID = new Map<string, Task>()
  const queues = new Map<string, Queue>()
  const release = createRelease(phases, now)
  let seq = 0

  function queueOf(identity: string): Queue {
    const queue = queues.get(identity) ?? { tasks: [], bytes: 0, paused: false, waiting: [] }
    queues.set(identity, queue)
    return queue
  }

  /** The newest stays, however large it is. */
  function forgetOldest(queue: Queue): void {
    while (queue.tasks.length > 1 && (queue.tasks.length > maxTasks || queue.bytes > maxBodyBytes)) {
      for (const task of queue.tasks.splice(0, Math.ceil(queue.tasks.length / 10))) {
        byID.delete(task.taskID)
        queue.bytes -= task.rawBody.length
      }
    }
  }

  return {
    phases,
    create({ plan, ...rest }) {
      const task = createTask(rest, ++seq, now())
      const queue = queueOf(task.identity)
      queue.tasks.push(task)
      queue.bytes += task.rawBody.length
      byID.set(task.taskID, task)
      forgetOldest(queue)
      if (queue.paused) queue.waiting.push({ task, plan })
      else release.start(task, plan)
      return task
    },
    find: (taskID) => byID.get(taskID),
    list: (identity) => queues.get(identity)?.tasks ?? [],
    identities: () => [...queues.keys()],
    isPaused: (identity) => queues.get(identity)?.paused ?? false,
    pause(identity) {
      queueOf(identity).paused = true
    },
    resume(identity) {
      const queue = queueOf(identity)
      queue.paused = false
      for (const { task, plan } of queue.waiting.splice(0)) release.start(task, plan)
    },
    finish(taskID, outcome) {
      const task = byID.get(taskID)
      if (task === undefined) throw new Error(`there is no task ${taskID}`)
      if (stateAt(task, now(), phases).endTime !== null) throw new Error(`task ${taskID} has ended already`)
      task.outcome = outcome
      task.endedAt = now()
    },
    close: release.close,
  }
}

function createTask(task: Omit<NewTask, 'plan'>, seq: number, createdAt: number): Task {
  return {
    ...task,
    seq,
    taskID: createTaskID(createdAt),
    createdAt,
    releasedAt: undefined,
    runMs: Number.POSITIVE_INFINITY,
    endedAt: undefined,
    outcome: undefined,
  }
}

/** A UUID of version 7: its first 48 bits are the time. */
function createTaskID(now: number): string {
  const time = Math.trunc(now).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${randomUUID().slice(15)}`
}

type Release = { start(task: Task, plan: BlockPlan): void; close(): void }

/** Releases tasks: from then on their states follow from the time, or from the work they do. */
function createRelease(phases: Phases, now: () => number): Release {
  const closing = new AbortController()
  const leastMs = phases.queuedMs + phases.schedulingMs + phases.scheduledMs + phases.runningMs

  /** Work begins with the release. If it is done before the phases have passed, the task ends with them. */
  function settle(task: Task, releasedAt: number, outcome: Outcome): void {
    if (task.outcome !== undefined) return
    task.outcome = outcome
    task.endedAt = Math.max(now(), releasedAt + leastMs)
  }

  return {
    start(task, plan) {
      const releasedAt = now()
      task.releasedAt = releasedAt
      if (task.outcome !== undefined) return
      if (plan.kind === 'works') {
        plan
          .work(closing.signal)
          .catch((): Outcome => ({ status: 'failed', error: 'the block broke' }))
          .then((outcome) => settle(task, releasedAt, outcome))
      } else if (plan.kind === 'ends') {
        task.runMs = Math.max(plan.afterMs, phases.runningMs)
        task.outcome = plan.outcome
      }
    },
    close: () => closing.abort(),
  }
}
