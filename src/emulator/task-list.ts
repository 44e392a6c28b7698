import type { ListOrder } from './faults.ts'
import { type Phases, stateAt, TASK_STATUSES, type Task } from './task-state.ts'

/** A list request whose parameters are as documented. */
type ListQuery = {
  readonly size: number
  readonly after: number | undefined
  readonly status: string | undefined
  readonly taskType: string | undefined
  readonly workloadID: string | undefined
  readonly packageID: string | undefined
}

/** The moment and the order in which the list is shown. */
type ListMoment = { readonly at: number; readonly phases: Phases; readonly order: ListOrder }

const DEFAULT_SIZE = 20
const MAX_SIZE = 100
const TASK_TYPES = ['user', 'shared']
const WORKLOADS = ['serverless']
const TOKEN = /^t(\d{1,15})$/

/** Checks the query of a list request; a string says what is wrong with it. */
export function parseListQuery(query: URLSearchParams): ListQuery | string {
  const size = query.get('size') ?? String(DEFAULT_SIZE)
  if (!/^\d{1,3}$/.test(size) || Number(size) < 1 || Number(size) > MAX_SIZE) {
    return `size must be a whole number from 1 to ${MAX_SIZE}`
  }
  const token = query.get('nextToken')
  const after = token === null ? undefined : parseToken(token)
  if (token !== null && after === undefined) return 'nextToken is not one of ours'
  for (const [name, allowed] of [
    ['status', TASK_STATUSES],
    ['taskType', TASK_TYPES],
    ['workload', WORKLOADS],
  ] as const) {
    const value = query.get(name)
    if (value !== null && !allowed.some((known) => known === value)) {
      return `${name} must be one of ${allowed.join(', ')}`
    }
  }
  return {
    size: Number(size),
    after,
    status: query.get('status') ?? undefined,
    taskType: query.get('taskType') ?? undefined,
    workloadID: query.get('workloadID') ?? undefined,
    packageID: query.get('packageID') ?? undefined,
  }
}

/** One page of the tasks (oldest first, as they are kept) and where the next one begins. */
export function findPage(
  tasks: readonly Task[],
  query: ListQuery,
  moment: ListMoment,
): { tasks: Task[]; nextToken: string | null } {
  const found: Task[] = []
  for (const task of inOrder(tasks, moment.order, query.after)) {
    if (!isShown(task, query, moment)) continue
    if (found.length === query.size) return { tasks: found, nextToken: toToken(found.at(-1)) }
    found.push(task)
  }
  return { tasks: found, nextToken: null }
}

/** Walks the tasks behind the one that ended the page before. */
function* inOrder(tasks: readonly Task[], order: ListOrder, after: number | undefined): Generator<Task> {
  const ordered = order === 'shuffled' ? tasks.toSorted((a, b) => disorder(a.seq) - disorder(b.seq)) : tasks
  const step = order === 'newest-first' ? -1 : 1
  const rank = order === 'shuffled' ? disorder : (seq: number) => seq * step
  for (let at = step < 0 ? ordered.length - 1 : 0; at >= 0 && at < ordered.length; at += step) {
    const task = ordered[at]
    if (task !== undefined && (after === undefined || rank(task.seq) > rank(after))) yield task
  }
}

/** Scatters numbers, no two to the same place (the factor is odd), and always in the same way. */
function disorder(seq: number): number {
  return Math.imul(seq, 0x9e3779b1) >>> 0
}

function isShown(task: Task, query: ListQuery, { at, phases }: ListMoment): boolean {
  return (
    task.createdAt <= at &&
    query.taskType !== 'shared' &&
    (query.workloadID === undefined || query.workloadID === task.block.workloadID) &&
    (query.packageID === undefined || query.packageID === task.block.packageID) &&
    (query.status === undefined || query.status === stateAt(task, at, phases).status)
  )
}

function toToken(task: Task | undefined): string | null {
  return task === undefined ? null : Buffer.from(`t${task.seq}`).toString('base64url')
}

function parseToken(token: string): number | undefined {
  const seq = TOKEN.exec(Buffer.from(token, 'base64url').toString('latin1'))?.[1]
  return seq === undefined ? undefined : Number(seq)
}
