import { tmpdir } from 'node:os'
import type { FastifyBaseLogger } from 'fastify'
import { type Cloud, createCloud } from './cloud/cloud.ts'
import { createKeyCredential } from './cloud/credential.ts'
import type { TaskApi } from './cloud/task-api.ts'
import type { Config } from './config/config.ts'
import { Breaker } from './domain/breaker.ts'
import { DEADLINES, type Deadlines } from './domain/deadlines.ts'
import type { DescriptorPlan } from './domain/descriptors.ts'
import type { Metrics } from './metrics/metrics.ts'
import { createLimits, type Limits } from './services/callers/caller-limits.ts'
import {
  type CallerRegistry,
  createCallerRegistry,
  type RegisteredApp,
  type RegistryEntries,
} from './services/callers/caller-registry.ts'
import { createIdentify, type Identify } from './services/callers/identify.ts'
import { createOwners, type Owners } from './services/callers/owners.ts'
import { createDrain, type Drain } from './services/drain.ts'
import { createMemoryBudget } from './services/files/memory-budget.ts'
import { createSpool, type Spool } from './services/files/spool.ts'
import { createUploads, type Uploads } from './services/files/uploads.ts'
import { createNamedFunctions, type NamedFunctions } from './services/functions/functions.ts'
import { createInputValidation } from './services/functions/input-validation.ts'
import { createPackageCache, type PackageCache } from './services/functions/package-cache.ts'
import { createPackages, type Packages } from './services/functions/packages.ts'
import { createKeyedCreate, type IdempotencyTimes } from './services/idempotency/keyed-create.ts'
import type { PollTask } from './services/polling/polled-task.ts'
import { createTaskPoller, type TaskPoller } from './services/polling/task-poller.ts'
import { createPressure, type Pressure, type WatchPressure } from './services/pressure.ts'
import { type CreateTask, type CreateTaskDeps, createCreateTask } from './services/runs/create-task.ts'
import { createRuns, type Runs } from './services/runs/runs.ts'
import { createWaitSlots, type WaitSlots } from './services/runs/wait-slots.ts'
import type { ReadPage } from './services/tasks/task-listings.ts'
import { createTasks, type Tasks } from './services/tasks/tasks.ts'
import type { Store } from './store/store.ts'

/** What the gateway is built with besides its configuration: the outside world, so that a test can hold it. */
export type AppDeps = {
  logger: FastifyBaseLogger
  version: string
  /** Opened before, because that can fail; closed with the app. */
  store: Store
  /** The wall clock, milliseconds since 1970: for what is written down, and for times of upstream. It may be set. */
  now: () => number
  /** Milliseconds since any moment: for everything that lasts. Never goes back, whatever is done to the wall clock. */
  monotonicNow: () => number
  random: () => number
  /** Left out: what they are in production. */
  deadlines?: Partial<Deadlines>
  /** Memory for parts of files on their way, over all uploads. Default 256 MiB. */
  uploadMemoryBytes?: number
  /** Where bodies of unknown length are spooled; default the system's place for temporary files. */
  spoolDirectory?: string
  idempotencyTimes?: Partial<IdempotencyTimes>
  /** How the open files are shared out; left out: they are not limited. */
  descriptors?: DescriptorPlan | undefined
  /** Watches how the process is doing, from the start on; left out: it is always well. */
  watchPressure?: WatchPressure
  /** How many lines of the log were lost, for the metrics. */
  lostLogLines?: () => number
}

const UPLOAD_MEMORY_BYTES = 256 * 2 ** 20

/** What a create may take besides its call upstream: writing records, and its turn in a busy process. */
const CREATE_MARGIN_MS = 5_000

/** Everything below HTTP, wired up. */
export type Graph = {
  deadlines: Deadlines
  drain: Drain
  pressure: Pressure
  waitSlots: WaitSlots
  poller: TaskPoller
  callerRegistry: CallerRegistry
  identify: Identify
  limits: Limits
  tasks: Tasks
  packages: Packages
  functions: NamedFunctions
  runs: Runs
  uploads: Uploads
  spool: Spool
  storeUsage: Store['usage']
  /** Ends every call upstream, so that requests that still wait for one are answered. */
  abandonCalls(): Promise<void>
  /** Releases everything, the store included. */
  close(): Promise<void>
}

/** Builds the graph and does nothing yet: no connection, no timer. `metrics` counts what goes upstream. */
export function buildGraph(config: Config, deps: AppDeps, metrics: Metrics | undefined): Graph {
  const { logger: log, store, now, monotonicNow, random } = deps
  const deadlines: Deadlines = { ...DEADLINES, ...deps.deadlines }
  const cloud = buildCloud(config, deps, deadlines, metrics)
  const api = cloud.tasks

  const drain = createDrain()
  const pressure = createPressure({ log })
  const callerRegistry = createCallerRegistry(toRegistryEntries(config))
  const limits = createLimits(monotonicNow)
  const owners = createOwners(store, log)

  const packageCache = buildPackageCache(cloud, deps, deadlines)
  const functions = createNamedFunctions({ callerRegistry, packageCache, monotonicNow, log })

  const { pollRate, maxConcurrentRuns } = config
  const { notFoundMs } = deadlines
  const { pollTask, readPage } = toReads(api)
  const poller = createTaskPoller({ pollTask, readPage, pollRate, monotonicNow, random, notFoundMs })
  const createDeps = { api, owners, drain, pressure, limits, readPage, packageCache }
  const createTask = buildCreateTask(config, deps, deadlines, createDeps)
  const waitSlots = createWaitSlots(maxConcurrentRuns)
  const runDeps = { api, createTask, owners, poller, waitSlots, drain, limits }
  const runs = createRuns({ ...runDeps, now, monotonicNow })

  const spool = createSpool(deps.spoolDirectory ?? tmpdir())
  const uploads = buildUploads(config, deps, deadlines, { cloud, spool, owners, drain, pressure })

  return {
    deadlines,
    drain,
    pressure,
    waitSlots,
    poller,
    callerRegistry,
    identify: buildIdentify(config, callerRegistry),
    limits,
    tasks: createTasks(api, owners),
    packages: createPackages(cloud.registry),
    functions,
    runs,
    uploads,
    spool,
    storeUsage: () => store.usage(),
    abandonCalls: () => cloud.close(),
    close: async () => {
      poller.close()
      await cloud.close()
      await spool.close()
      owners.close()
      await store.close()
    },
  }
}

function buildCloud(
  { upstream }: Config,
  { version, now, monotonicNow, descriptors }: AppDeps,
  deadlines: Deadlines,
  metrics: Metrics | undefined,
): Cloud {
  return createCloud({
    taskUrl: upstream.taskUrl,
    registryUrl: upstream.registryUrl,
    uploadUrl: upstream.uploadUrl,
    allowInsecure: upstream.allowInsecure,
    userAgent: `oomol-gateway/${version}`,
    now,
    monotonicNow,
    deadlines,
    observe: metrics?.observeUpstream,
    connectionsPerOrigin: descriptors?.connectionsPerOrigin,
  })
}

/** How single tasks and pages of the list are read by waits and searches. */
function toReads(api: TaskApi): { pollTask: PollTask; readPage: ReadPage } {
  return {
    pollTask: async (credential, taskID, signal) => (await api.result({ credential, signal }, taskID)).state,
    readPage: (credential, { size, ...query }, signal) =>
      api.page({ credential, ...(signal && { signal }) }, { size: String(size), ...query }),
  }
}

function buildPackageCache(
  { registry }: Cloud,
  { logger: log, monotonicNow }: AppDeps,
  { lookUpMs }: Deadlines,
): PackageCache {
  return createPackageCache({
    registry,
    monotonicNow,
    lookUpMs,
    onFailure: (wanted, code) => log.debug({ ...wanted, code }, 'the registry gave no package info'),
  })
}

type CreateDeps = Pick<CreateTaskDeps, 'api' | 'owners' | 'drain' | 'pressure' | 'limits'> & {
  readPage: ReadPage
  packageCache: PackageCache
}

function buildCreateTask(
  { validateInputs }: Config,
  { logger: log, store, now, monotonicNow, random, idempotencyTimes }: AppDeps,
  { createMs }: Deadlines,
  { api, owners, drain, pressure, limits, readPage, packageCache }: CreateDeps,
): CreateTask {
  const times = { attemptMs: createMs + CREATE_MARGIN_MS, ...idempotencyTimes }
  return createCreateTask({
    api,
    owners,
    drain,
    pressure,
    limits,
    createKeyed: createKeyedCreate({ store, drain, readPage, now, monotonicNow, log, times }),
    breaker: new Breaker(),
    now,
    monotonicNow,
    random,
    log,
    validateDirectInputs: validateInputs ? createInputValidation(packageCache) : undefined,
  })
}

type UploadParts = { cloud: Cloud; spool: Spool; owners: Owners; drain: Drain; pressure: Pressure }

function buildUploads(
  { maxUploadBytes }: Config,
  { random, uploadMemoryBytes: limitBytes = UPLOAD_MEMORY_BYTES }: AppDeps,
  { uploadRoomMs: maxWaitMs }: Deadlines,
  { cloud, spool, owners, drain, pressure }: UploadParts,
): Uploads {
  return createUploads({
    api: cloud.uploads,
    partUploader: cloud.partUploader,
    budget: createMemoryBudget({ limitBytes, maxWaitMs }),
    spool,
    owners,
    drain,
    pressure,
    maxUploadBytes,
    random,
  })
}

/** How callers are identified; with GATEWAY_AUTH=none a caller without a token acts with the organisation's key. */
function buildIdentify({ apiKey, auth, cookieMode }: Config, callerRegistry: CallerRegistry): Identify {
  const organisation = apiKey && createKeyCredential(apiKey.reveal())
  return createIdentify({ callerRegistry, anyone: auth === 'none' ? organisation : undefined, cookieMode })
}

/** Who may call, and what they may call by name. Throws when a caller has no key to act with. */
export function toRegistryEntries({ apiKey, callers, functions }: Config): RegistryEntries {
  const organisation = apiKey && createKeyCredential(apiKey.reveal())
  const apps = callers.map((caller): RegisteredApp => {
    const { id, tokenHashes, rules } = caller
    const credential = caller.apiKey ? createKeyCredential(caller.apiKey.reveal()) : organisation
    if (credential === undefined) throw new Error(`the caller ${id} has no key to act with`)
    return { id, tokenHashes, rules, credential }
  })
  return { apps, functions }
}
