import { tmpdir } from 'node:os'
import type { FastifyBaseLogger } from 'fastify'
import { createKeyCredential } from './cloud/credential.ts'
import { createHttpClient } from './cloud/http-client.ts'
import { observeUpstream } from './cloud/observe-upstream.ts'
import { createPartUploader } from './cloud/part-uploader.ts'
import { createRegistryApi } from './cloud/registry-api.ts'
import { createTaskApi, type TaskApi } from './cloud/task-api.ts'
import { createUploadApi } from './cloud/upload-api.ts'
import { createUpstream, type Upstream } from './cloud/upstream.ts'
import type { Config } from './config/config.ts'
import { DEADLINES, type Deadlines } from './domain/deadlines.ts'
import type { Metrics } from './metrics/metrics.ts'
import { createLimits, type Limits } from './services/callers/caller-limits.ts'
import {
  type CallerRegistry,
  createCallerRegistry,
  type RegisteredApp,
  type RegistryEntries,
} from './services/callers/caller-registry.ts'
import { createIdentify, type Identify } from './services/callers/identify.ts'
import { createOwners } from './services/callers/owners.ts'
import { createDrain, type Drain } from './services/drain.ts'
import { createMemoryBudget } from './services/files/memory-budget.ts'
import { createSpool, type Spool } from './services/files/spool.ts'
import { createUploads, type Uploads } from './services/files/uploads.ts'
import { createNamedFunctions, type NamedFunctions } from './services/functions/functions.ts'
import { createInputValidation } from './services/functions/input-validation.ts'
import { createPackageCache } from './services/functions/package-cache.ts'
import { createPackages, type Packages } from './services/functions/packages.ts'
import { createIdempotency, type IdempotencyTimes } from './services/idempotency/keyed-create.ts'
import type { PollTask } from './services/polling/credential-poller.ts'
import { createTaskPoller, type TaskPoller } from './services/polling/task-poller.ts'
import { createBreaker } from './services/runs/breaker.ts'
import { createCreateTask } from './services/runs/create-task.ts'
import { createRuns, type Runs } from './services/runs/runs.ts'
import { createWaitSlots, type WaitSlots } from './services/runs/wait-slots.ts'
import type { ReadPage } from './services/tasks/list-scan.ts'
import { createTasks, type Tasks } from './services/tasks/tasks.ts'
import type { Store } from './store/store.ts'

/** What the gateway is built with besides its configuration: the outside world, so that a test can hold it. */
export type AppDeps = {
  logger: FastifyBaseLogger
  version: string
  /** Opened by whoever starts the process, because that can fail; closed with the app. */
  store: Store
  now: () => number
  random: () => number
  /** Left out: what they are in production. */
  deadlines?: Partial<Deadlines>
  /** Memory for parts of files on their way, over all uploads. Default 256 MiB. */
  uploadMemoryBytes?: number
  /** Where bodies of unknown length are spooled; default the system's place for temporary files. */
  spoolDirectory?: string
  idempotencyTimes?: Partial<IdempotencyTimes>
}

const UPLOAD_MEMORY_BYTES = 256 * 2 ** 20
/** How much of it may be read ahead; the rest is room for the largest part that is held (domain/upload-plan.ts). */
const READ_AHEAD_SHARE = 3 / 4

/** Everything below HTTP, wired up. */
export type Graph = {
  deadlines: Deadlines
  drain: Drain
  admission: WaitSlots
  watcher: TaskPoller
  directory: CallerRegistry
  identify: Identify
  limits: Limits
  tasks: Tasks
  packages: Packages
  functions: NamedFunctions
  runs: Runs
  uploads: Uploads
  spool: Spool
  /** Ends every call upstream, so that whoever still waits for one is told. */
  abandonCalls(): Promise<void>
  /** Lets go of everything, the store included. */
  close(): Promise<void>
}

/** What a create may take beside its call upstream: writing down, and its turn in a busy process. */
const CREATE_MARGIN_MS = 5_000

/** Builds the graph and does nothing yet: no connection, no timer. `metrics` counts what goes upstream. */
export function buildGraph(config: Config, parts: AppDeps, metrics: Metrics | undefined): Graph {
  const { logger: log, store, now, random } = parts
  const deadlines = { ...DEADLINES, ...parts.deadlines }
  const cloud = createCloud(config, parts, deadlines, metrics)
  const api = cloud.tasks

  const drain = createDrain()
  const directory = createCallerRegistry(toRegistryEntries(config))
  const limits = createLimits(now)
  const owners = createOwners(store, now)
  const admission = createWaitSlots(config.maxConcurrentRuns)
  const { pollTask, readPage } = createPolls(api)
  const watcher = createTaskPoller({
    pollTask,
    readPage,
    pollRate: config.pollRate,
    now,
    random,
    ...deadlines,
  })
  const packageInfo = createPackageCache({
    registry: cloud.registry,
    now,
    lookUpMs: deadlines.lookUpMs,
    onFailure: (wanted, code) => log.debug({ ...wanted, code }, 'the registry gave no package info'),
  })
  const times = { attemptMs: deadlines.createMs + CREATE_MARGIN_MS, ...parts.idempotencyTimes }
  const idempotency = createIdempotency({ store, owners, drain, readPage, now, log, times })
  const breaker = createBreaker(now, random)
  const validateDirectInputs = config.validateInputs ? createInputValidation(packageInfo) : undefined
  const createTask = createCreateTask({
    api,
    owners,
    drain,
    limits,
    idempotency,
    breaker,
    now,
    log,
    validateDirectInputs,
  })
  const spool = createSpool(parts.spoolDirectory ?? tmpdir())
  const { maxUploadBytes } = config
  const budgets = createUploadBudgets(parts.uploadMemoryBytes ?? UPLOAD_MEMORY_BYTES, deadlines.uploadRoomMs)
  const uploadParts = { api: cloud.uploads, partUploader: cloud.parts, ...budgets, spool, owners, drain }

  return {
    deadlines,
    drain,
    admission,
    watcher,
    directory,
    identify: createIdentify({ ...toIdentifyOptions(config), directory }),
    limits,
    tasks: createTasks(api, owners),
    packages: createPackages(cloud.registry),
    functions: createNamedFunctions(() => directory.current().functions, { packageInfo, now, log }),
    runs: createRuns({ api, createTask, owners, watcher, admission, drain, limits, now }),
    uploads: createUploads({ ...uploadParts, maxUploadBytes, random }),
    spool,
    abandonCalls: () => cloud.close(),
    close: async () => {
      watcher.close()
      await cloud.close()
      await spool.close()
      await store.close()
    },
  }
}

function createUploadBudgets(limitBytes: number, maxWaitMs: number) {
  return {
    budget: createMemoryBudget({ limitBytes, maxWaitMs }),
    readAheadBudget: createMemoryBudget({ limitBytes: Math.floor(limitBytes * READ_AHEAD_SHARE), maxWaitMs }),
  }
}

/** Upstream's APIs and the store of presigned parts, over one client. */
function createCloud(
  { upstream }: Config,
  { version, now }: AppDeps,
  deadlines: Deadlines,
  metrics: Metrics | undefined,
) {
  const client = createHttpClient({ allowInsecure: upstream.allowInsecure })
  const at = (baseUrl: string): Upstream => {
    const api = createUpstream(client, baseUrl, { userAgent: `oomol-gateway/${version}`, now, deadlines })
    return metrics === undefined ? api : observeUpstream(api, metrics.observeUpstream, now)
  }
  return {
    tasks: createTaskApi(at(upstream.taskUrl)),
    registry: createRegistryApi(at(upstream.registryUrl)),
    uploads: createUploadApi(at(upstream.uploadUrl), upstream),
    parts: createPartUploader(client, { now, deadlines }),
    close: () => client.close(),
  }
}

/** How single tasks and pages of the list are looked at by whoever waits or searches. */
function createPolls(api: TaskApi): { pollTask: PollTask; readPage: ReadPage } {
  return {
    pollTask: async (credential, taskID, signal) => (await api.result({ credential, signal }, taskID)).state,
    readPage: (credential, { size, ...query }, signal) =>
      api.page({ credential, ...(signal && { signal }) }, { size: String(size), ...query }),
  }
}

/** Who comes without a token, from the configuration. */
function toIdentifyOptions({ apiKey, auth, cookieMode }: Config) {
  const organisation = apiKey && createKeyCredential(apiKey.reveal())
  return { anyone: auth === 'none' ? organisation : undefined, cookieMode }
}

/**
 * Who may call and what they may call by name, from the configuration; keys become credentials in these two
 * and nowhere else.
 */
export function toRegistryEntries(config: Config): RegistryEntries {
  const organisation = config.apiKey && createKeyCredential(config.apiKey.reveal())
  const apps = config.callers.map(({ id, tokenHashes, rules, apiKey }): RegisteredApp => {
    const credential = apiKey ? createKeyCredential(apiKey.reveal()) : organisation
    if (credential === undefined) throw new Error(`the caller ${id} has no key to act with`)
    return { id, tokenHashes, rules, credential }
  })
  return { apps, functions: config.functions }
}
