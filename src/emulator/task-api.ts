import { type Answer, errorAnswer, jsonAnswer, rawJsonAnswer } from './answers.ts'
import { type ApiRequest, isObject, parseObject } from './api-request.ts'
import { type PackageShelf, type PublishedBlock, toBlockInputs } from './packages.ts'
import { rawMembers, toByteText } from './raw-json.ts'
import { latestItem, listItem, resultOf, type TaskView } from './task-json.ts'
import { findPage, parseListQuery } from './task-list.ts'
import { logsPage } from './task-logs.ts'
import { stateAt, type Task } from './task-state.ts'
import type { TaskStore } from './tasks.ts'

const MAX_CONCURRENCY = 10_000
const MAX_QUEUE_SIZE = 100_000
const MAX_LATEST_WORKLOADS = 50
const DIGITS = /^[1-9]\d{0,8}$/

type TaskApi = Record<
  'create' | 'list' | 'latest' | 'detail' | 'result' | 'logs' | 'dashboard' | 'pause' | 'resume',
  (request: ApiRequest) => Answer
>

type TaskApiDeps = {
  readonly tasks: TaskStore
  readonly packages: PackageShelf
  readonly progressScale: 1 | 100
  readonly now: () => number
  hasCredit(identity: string): boolean
}

/** The operations of the task API on requests that are authenticated already. */
export function createTaskApi(deps: TaskApiDeps): TaskApi {
  return {
    create: (request) => create(deps, request),
    list: (request) => list(deps, request),
    latest: (request) => latest(deps, request),
    detail: (request) =>
      withTask(deps, request, (task) => listItem(task, stateOf(deps, task), viewOf(deps, request))),
    result: (request) =>
      withTask(deps, request, (task) => resultOf(stateOf(deps, task), viewOf(deps, request))),
    logs: (request) => logs(deps, request),
    dashboard: (request) => dashboard(deps, request),
    pause(request) {
      if (!isEmptyOrObject(request.body)) return errorAnswer(400, 'the body must be a JSON object')
      deps.tasks.pause(request.identity)
      return jsonAnswer({ pauseType: 'user' })
    },
    resume(request) {
      if (!isEmptyOrObject(request.body)) return errorAnswer(400, 'the body must be a JSON object')
      deps.tasks.resume(request.identity)
      return jsonAnswer({ pauseType: null })
    },
  }
}

function create(deps: TaskApiDeps, { identity, body }: ApiRequest): Answer {
  const wanted = parseObject(body)
  if (wanted === undefined) return errorAnswer(400, 'the body must be a JSON object')
  if (wanted.type !== 'serverless') return errorAnswer(400, 'type must be serverless')
  const block = findBlock(deps.packages, wanted)
  if ('status' in block) return block
  const values = wanted.inputValues ?? {}
  if (!isObject(values) || wanted.inputValues === null)
    return errorAnswer(400, 'inputValues must be an object')
  if (!deps.hasCredit(identity)) {
    return errorAnswer(402, 'Insufficient credit', 'OOMOL_INSUFFICIENT_CREDIT')
  }
  const inputs = rawMembers(toByteText(body)).get('inputValues') ?? '{}'
  const plan = block.run(toBlockInputs(values, inputs))
  const task = deps.tasks.create({ identity, block, inputs, rawBody: body, plan })
  return jsonAnswer({ taskID: task.taskID })
}

function findBlock(packages: PackageShelf, wanted: Record<string, unknown>): PublishedBlock | Answer {
  const { packageName, packageVersion, blockName } = wanted
  if (!isName(packageName)) return errorAnswer(400, 'packageName must be a string')
  if (!isName(packageVersion)) return errorAnswer(400, 'packageVersion must be a string')
  if (!isName(blockName)) return errorAnswer(400, 'blockName must be a string')
  const pkg = packages.find(packageName, packageVersion)
  if (pkg === undefined) return errorAnswer(404, `there is no package ${packageName}@${packageVersion}`)
  return (
    packages.findBlock(pkg, blockName) ??
    errorAnswer(404, `there is no block ${blockName} in ${packageName}@${pkg.packageVersion}`)
  )
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function list(deps: TaskApiDeps, request: ApiRequest): Answer {
  const query = parseListQuery(request.query)
  if (typeof query === 'string') return errorAnswer(400, query)
  const at = deps.now() - request.faults.lagMs
  const tasks = deps.tasks.list(request.identity)
  const view = viewOf(deps, request)
  const page = findPage(tasks, query, { at, phases: deps.tasks.phases, order: request.faults.order })
  const items = page.tasks.map((task) => listItem(task, stateAt(task, at, deps.tasks.phases), view))
  return rawJsonAnswer(`{"tasks":[${items.join()}],"nextToken":${JSON.stringify(page.nextToken)}}`)
}

function latest(deps: TaskApiDeps, request: ApiRequest): Answer {
  const wanted = new Set(request.query.get('workloadIDs')?.split(',') ?? [])
  if (wanted.size === 0 || wanted.size > MAX_LATEST_WORKLOADS || wanted.has('')) {
    return errorAnswer(400, `workloadIDs must be 1 to ${MAX_LATEST_WORKLOADS} ids`)
  }
  const items: string[] = []
  const tasks = deps.tasks.list(request.identity)
  for (const workloadID of wanted) {
    const task = tasks.findLast(({ block }) => block.workloadID === workloadID)
    if (task !== undefined) items.push(latestItem(task, stateOf(deps, task), viewOf(deps, request)))
  }
  return rawJsonAnswer(`[${items.join()}]`)
}

function logs(deps: TaskApiDeps, request: ApiRequest): Answer {
  const page = request.query.get('page') ?? '1'
  if (!DIGITS.test(page)) return errorAnswer(400, 'page must be a whole number from 1')
  return withTask(deps, request, (task) =>
    JSON.stringify({ logs: logsPage(task, stateOf(deps, task), deps.now(), Number(page)) }),
  )
}

function dashboard(deps: TaskApiDeps, { identity }: ApiRequest): Answer {
  const count = { queued: 0, scheduling: 0, scheduled: 0, running: 0 }
  for (const task of deps.tasks.list(identity)) {
    const { status } = stateOf(deps, task)
    if (status !== 'success' && status !== 'failed') count[status]++
  }
  const paused = deps.tasks.isPaused(identity)
  return jsonAnswer({
    limits: { maxConcurrency: MAX_CONCURRENCY, maxQueueSize: MAX_QUEUE_SIZE },
    count,
    pause: { paused, type: paused ? 'user' : null, canResume: paused },
  })
}

/** The tasks of other identities do not exist. */
function withTask(deps: TaskApiDeps, request: ApiRequest, show: (task: Task) => string): Answer {
  const task = deps.tasks.find(request.params[0] ?? '')
  if (task === undefined || task.identity !== request.identity) return errorAnswer(404, 'task not found')
  return rawJsonAnswer(show(task))
}

function stateOf(deps: TaskApiDeps, task: Task) {
  return stateAt(task, deps.now(), deps.tasks.phases)
}

function viewOf(deps: TaskApiDeps, { faults }: ApiRequest): TaskView {
  const status = faults.fault?.kind === 'unknown-status' ? faults.fault.status : undefined
  return { progressScale: deps.progressScale, status }
}

/** The Python SDK sends `{}`, the TypeScript SDK sends no body. */
function isEmptyOrObject(body: Buffer): boolean {
  return body.length === 0 || parseObject(body) !== undefined
}
