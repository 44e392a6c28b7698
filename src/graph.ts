import type { FastifyBaseLogger } from 'fastify'
import { createKeyCredential } from './cloud/credential.ts'
import { createHttpClient } from './cloud/http-client.ts'
import { observeUpstream } from './cloud/observe-upstream.ts'
import { createRegistryApi } from './cloud/registry-api.ts'
import { createTaskApi, type TaskApi } from './cloud/task-api.ts'
import { createUpstream, type Upstream } from './cloud/upstream.ts'
import type { Config } from './config/config.ts'
import { DEADLINES, type Deadlines } from './domain/deadlines.ts'
import type { Metrics } from './metrics/metrics.ts'
import { type Admission, createAdmission } from './services/admission.ts'
import { createBreaker } from './services/breaker.ts'
import { createCreateTask } from './services/create-task.ts'
import type { LookAt } from './services/credential-watch.ts'
import { createDrain, type Drain } from './services/drain.ts'
import { createIdempotency, type IdempotencyTimes } from './services/idempotency.ts'
import { createIdentify, type Identify, type KnownApp } from './services/identify.ts'
import { createOwners } from './services/owners.ts'
import { createPackages, type Packages } from './services/packages.ts'
import { createRuns, type Runs } from './services/runs.ts'
import type { ReadPage } from './services/task-listing.ts'
import { createTasks, type Tasks } from './services/tasks.ts'
import { createWatcher, type Watcher } from './services/watcher.ts'
import type { Store } from './store/store.ts'

/** What the gateway is built with besides its configuration: the outside world, so that a test can hold it. */
export type AppParts = {
  logger: FastifyBaseLogger
  version: string
  /** Opened by whoever starts the process, because that can fail; closed with the app. */
  store: Store
  now: () => number
  random: () => number
  /** Left out: what they are in production. */
  deadlines?: Partial<Deadlines>
  idempotencyTimes?: Partial<IdempotencyTimes>
}

/** Everything below HTTP, wired up. */
export type Graph = {
  deadlines: Deadlines
  drain: Drain
  admission: Admission
  watcher: Watcher
  identify: Identify
  tasks: Tasks
  packages: Packages
  runs: Runs
  /** Ends every call upstream, so that whoever still waits for one is told. */
  abandonCalls(): Promise<void>
  /** Lets go of everything, the store included. */
  close(): Promise<void>
}

/** What a create may take beside its call upstream: writing down, and its turn in a busy process. */
const CREATE_MARGIN_MS = 5_000

/** Builds the graph and does nothing yet: no connection, no timer. `metrics` counts what goes upstream. */
export function buildGraph(config: Config, parts: AppParts, metrics: Metrics | undefined): Graph {
  const { logger, version, store, now, random } = parts
  const deadlines = { ...DEADLINES, ...parts.deadlines }
  const client = createHttpClient({ allowInsecure: config.upstream.allowInsecure })
  const upstreamAt = (baseUrl: string): Upstream => {
    const upstream = createUpstream(client, baseUrl, {
      userAgent: `oomol-gateway/${version}`,
      now,
      deadlines,
    })
    return metrics === undefined ? upstream : observeUpstream(upstream, metrics.observeUpstream, now)
  }
  const api = createTaskApi(upstreamAt(config.upstream.taskUrl))

  const drain = createDrain()
  const owners = createOwners(store, now)
  const admission = createAdmission(config.maxConcurrentRuns)
  const { lookAt, readPage } = createLooks(api)
  const watcher = createWatcher({ lookAt, readPage, pollRate: config.pollRate, now, random, ...deadlines })
  const times = { attemptMs: deadlines.createMs + CREATE_MARGIN_MS, ...parts.idempotencyTimes }
  const idempotency = createIdempotency({ store, owners, drain, readPage, now, log: logger, times })
  const breaker = createBreaker(now, random)
  const createTask = createCreateTask({ api, owners, drain, idempotency, breaker, now, log: logger })

  return {
    deadlines,
    drain,
    admission,
    watcher,
    identify: createIdentify(toIdentifyOptions(config)),
    tasks: createTasks(api, owners),
    packages: createPackages(createRegistryApi(upstreamAt(config.upstream.registryUrl))),
    runs: createRuns({ api, createTask, owners, watcher, admission, drain, now }),
    abandonCalls: () => client.close(),
    close: async () => {
      watcher.close()
      await client.close()
      await store.close()
    },
  }
}

/** How single tasks and pages of the list are looked at by whoever waits or searches. */
function createLooks(api: TaskApi): { lookAt: LookAt; readPage: ReadPage } {
  return {
    lookAt: async (credential, taskID, signal) => (await api.result({ credential, signal }, taskID)).state,
    readPage: (credential, { size, ...query }, signal) =>
      api.page({ credential, ...(signal && { signal }) }, { size: String(size), ...query }),
  }
}

/** Who may call, from the configuration; keys become credentials here and nowhere else. */
function toIdentifyOptions(config: Config) {
  const organisation = config.apiKey && createKeyCredential(config.apiKey.reveal())
  const apps = config.callers.map(({ id, tokenHashes, rules, apiKey }): KnownApp => {
    const credential = apiKey ? createKeyCredential(apiKey.reveal()) : organisation
    if (credential === undefined) throw new Error(`the caller ${id} has no key to act with`)
    return { id, tokenHashes, rules, credential }
  })
  return { apps, anyone: config.auth === 'none' ? organisation : undefined, cookieMode: config.cookieMode }
}
