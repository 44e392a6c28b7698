import type { ListQuery, TaskApi } from '../../cloud/task-api.ts'
import { type UpstreamAnswer, unreadable } from '../../cloud/upstream.ts'
import { arrayElements, isJsonObject, joinElements, lastMemberBytes } from '../../domain/json.ts'
import { type ListPosition, parseListToken, toListToken, toTaskMark } from '../../domain/list-token.ts'
import { isTaskID } from '../../domain/names.ts'
import { GatewayError } from '../../errors.ts'
import type { Owners } from '../callers/owners.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'

/**
 * Most upstream pages for one request, and their size, whatever size the caller asked for. A fixed size makes a
 * repeated page comparable, and large pages get quickly through a list with few of the caller's tasks.
 */
const MAX_PAGES = 10
const UPSTREAM_PAGE_SIZE = 100

/** Tasks in one of our pages if the caller names no size. */
const DEFAULT_SIZE = 20

/** A task of a list: its id, and its bytes as upstream wrote them. */
type TaskEntry = { taskID: string; bytes: Buffer }

type Page = { tasks: TaskEntry[]; nextToken: string | undefined }

type ListDeps = { api: TaskApi; owners: Owners }

/**
 * A page of the tasks that the caller may see, item by item in upstream's own bytes. A caller that may see all
 * tasks gets upstream's answer as it is. Others get up to `size` of their own tasks; fewer, or none, if the
 * bounds are reached first, and then `nextToken` continues from there.
 *
 * No page omits or repeats a task, as long as upstream's own tokens guarantee that. If one of our pages ends
 * inside an upstream page, the next request reads that page again, and our token lists the tasks that were
 * already sent, not their positions. So tasks may appear, disappear or move in between.
 */
export async function listTasks(
  { api, owners }: ListDeps,
  context: RequestContext,
  query: ListQuery,
): Promise<Buffer> {
  if (owners.seesAll(context)) return (await api.list(toCallContext(context), query)).bytes
  const size = Number(query.size ?? DEFAULT_SIZE)
  let position = toPosition(query.nextToken)
  const sent = new Set(position.given)
  const items: Buffer[] = []
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await readPage(api, context, { ...query, nextToken: position.upstreamToken })
    for (const { taskID, bytes } of await visibleOf(owners, context, page.tasks)) {
      const mark = toTaskMark(taskID)
      if (sent.has(mark)) continue
      if (items.length === size) return toList(items, toListToken({ ...position, given: [...sent] }))
      items.push(bytes)
      sent.add(mark)
    }
    if (page.nextToken === undefined) return toList(items, null)
    position = { upstreamToken: page.nextToken, given: [] }
    if (items.length >= size) break
  }
  return toList(items, toListToken(position))
}

/** The latest task of each workload, cut to the tasks that the caller may see. */
export async function latestTasks(
  { api, owners }: ListDeps,
  context: RequestContext,
  workloadIDs: readonly string[],
): Promise<Buffer> {
  const answer = await api.latest(toCallContext(context), workloadIDs)
  if (owners.seesAll(context)) return answer.bytes
  if (!Array.isArray(answer.value)) throw unreadable('latest')
  const own = await visibleOf(owners, context, toTasks(answer.value, answer.bytes))
  return joinElements(own.map(({ bytes }) => bytes))
}

function toPosition(nextToken: string | undefined): ListPosition {
  if (nextToken === undefined) return { upstreamToken: undefined, given: [] }
  const position = parseListToken(nextToken)
  if (position !== undefined) return position
  const errors = [{ path: 'nextToken', message: 'must be a nextToken from a list' }]
  throw new GatewayError({ code: 'invalid_request', detail: 'Invalid query.', errors })
}

async function readPage(api: TaskApi, context: RequestContext, query: ListQuery): Promise<Page> {
  const size = String(UPSTREAM_PAGE_SIZE)
  const page = toPage(await api.list(toCallContext(context), { ...query, size }))
  // A page whose token leads back to it would loop.
  if (page.nextToken !== undefined && page.nextToken === query.nextToken) throw unreadable('list')
  return page
}

function toPage({ value, bytes }: UpstreamAnswer): Page {
  const list = isJsonObject(value) ? value : {}
  const listBytes = Array.isArray(list.tasks) ? lastMemberBytes(bytes, 'tasks') : undefined
  if (!Array.isArray(list.tasks) || listBytes === undefined) throw unreadable('list')
  const { nextToken } = list
  const isToken = typeof nextToken === 'string' && nextToken !== ''
  return { tasks: toTasks(list.tasks, listBytes), nextToken: isToken ? nextToken : undefined }
}

/** Pairs each id with its bytes. A task whose id can't be a task id has no owner, so it is dropped. */
function toTasks(values: readonly unknown[], bytes: Buffer): TaskEntry[] {
  const elements = arrayElements(bytes)
  return values.flatMap((value, at) => {
    const taskID = isJsonObject(value) ? value.taskID : undefined
    const element = elements[at]
    return typeof taskID === 'string' && isTaskID(taskID) && element ? [{ taskID, bytes: element }] : []
  })
}

async function visibleOf(owners: Owners, context: RequestContext, tasks: TaskEntry[]): Promise<TaskEntry[]> {
  const visible = await owners.visible(
    context,
    tasks.map(({ taskID }) => taskID),
  )
  return tasks.filter((_task, at) => visible[at])
}

function toList(items: readonly Buffer[], nextToken: string | null): Buffer {
  const end = `,"nextToken":${JSON.stringify(nextToken)}}`
  return Buffer.concat([Buffer.from('{"tasks":'), joinElements(items), Buffer.from(end)])
}
