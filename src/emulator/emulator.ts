import { createServer, type RequestListener } from 'node:http'
import { createApiListener, type Route } from './api-server.ts'
import { createBuiltInPackages } from './built-in-packages.ts'
import { createControlApi } from './control-api.ts'
import { createFaultPlan, type Fault, type FaultPlan } from './faults.ts'
import { createAuthenticate } from './identity.ts'
import { createInspectFile } from './inspect-file.ts'
import type { Operation } from './operation-names.ts'
import { type EmulatorOptions, type EmulatorSettings, toSettings } from './options.ts'
import { createPackageShelf, type EmulatedPackage, type PackageShelf } from './packages.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import { createPackageInfo } from './registry.ts'
import type { RecordedRequest } from './request-history.ts'
import { closeServer, listen } from './serve.ts'
import { createStoreListener, type Violation } from './store-server.ts'
import { createTaskApi } from './task-api.ts'
import { type EmulatedTask, type TaskEnd, toOutcome, toSnapshot } from './task-snapshot.ts'
import { createTaskStore, type TaskStore } from './tasks.ts'
import { createUploadApi } from './upload-api.ts'
import { toUploadFacts, type UploadFacts } from './upload-facts.ts'
import { createUploadStore, type UploadStore } from './uploads.ts'

// The types of the API below, so that a test needs one import.
export type { EmulatorOptions, Fault, Operation }

/** A running local OOMOL, with everything that a test can ask of it or change about it. Times are epoch milliseconds. */
export type Emulator = {
  /** Base of the task API, without a trailing slash. */
  readonly url: string
  readonly uploadUrl: string
  readonly registryUrl: string
  /** The store's own address, even if `EmulatorOptions.storeUrl` gives others another one. */
  readonly storeUrl: string
  /** How many requests each operation got; a request counts once its head has arrived. */
  counts(): Record<Operation, number>
  /** The last 10,000 requests of all operations, oldest first. */
  requests(operation?: Operation): RecordedRequest[]
  /**
   * A gate: resolves when the nth request of an operation (from 1; left out: the next one) has arrived: with
   * its whole body, or for parts and files with its head. Rejects when the emulator is closed before that.
   */
  arrived(operation: Operation, nth?: number): Promise<RecordedRequest>
  /**
   * Applies a fault to the next `times` requests of an operation (default 1, for `lag` and `order` all;
   * Infinity is allowed), after the faults added before. The returned function takes it back.
   */
  misbehave(operation: Operation, fault: Fault, times?: number): () => void
  /** Sets the counts to 0 and forgets the requests; faults, tasks and files stay. */
  resetCounts(): void
  /** The tasks of one identity (the key or the cookie's value), or all; oldest first. */
  tasks(identity?: string): EmulatedTask[]
  /** Ends a running task now. Throws when the task is unknown or has ended. */
  finish(taskID: string, end: TaskEnd): void
  /** Without credit, creates are answered with 402. */
  setCredit(identity: string, hasCredit: boolean): void
  publish(pkg: EmulatedPackage): void
  file(uploadID: string): UploadFacts | undefined
  uploads(): UploadFacts[]
  /** The presigned PUTs that carried a credential. */
  violations(): Violation[]
  /** Stops at once, and cuts every connection. */
  close(): Promise<void>
}

/** The state of one emulator. */
type State = {
  readonly settings: EmulatorSettings
  readonly recorder: Recorder
  readonly faults: FaultPlan
  readonly tasks: TaskStore
  readonly uploads: UploadStore
  readonly packages: PackageShelf
  readonly violations: Violation[]
  readonly withoutCredit: Set<string>
}

/** Starts an emulator; rejects with the system's error when a port can't be opened. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const settings = toSettings(options)
  const state = createState(settings)
  const { host, port, storePort } = settings
  const storeServer = createServer(createStorePort(state))
  const storeUrl = await listen(storeServer, host, storePort)
  const publicUrl = settings.storeUrl ?? storeUrl
  const inspect = createInspectFile({ publicUrl, localUrl: storeUrl })
  for (const pkg of createBuiltInPackages(inspect)) state.packages.publish(pkg)
  const apiServer = createServer(
    createApiListener({
      recorder: state.recorder,
      faults: state.faults,
      routes: createRoutes(state, publicUrl),
      authenticate: createAuthenticate(settings.keys, settings.cookies),
      control: createControlApi(createControls(state)),
    }),
  )
  const servers = [storeServer, apiServer]
  async function close(): Promise<void> {
    state.tasks.close()
    state.recorder.close()
    await Promise.all(servers.map(closeServer))
  }
  try {
    return createEmulator(state, { url: await listen(apiServer, host, port), storeUrl, close })
  } catch (error) {
    await closeServer(storeServer)
    throw error
  }
}

function createState(settings: EmulatorSettings): State {
  return {
    settings,
    recorder: createRecorder(settings),
    faults: createFaultPlan(),
    tasks: createTaskStore(settings),
    uploads: createUploadStore(settings),
    packages: createPackageShelf(),
    violations: [],
    withoutCredit: new Set(),
  }
}

function createStorePort({ settings, recorder, faults, uploads, violations }: State): RequestListener {
  return createStoreListener({
    recorder,
    faults,
    uploads,
    violations,
    delayMs: settings.storeDelayMs,
    checkPartSizes: settings.checkPartSizes,
    now: settings.now,
  })
}

const TASK_PATH = '/v3/users/me/tasks'
const UPLOAD_PATH = '/api/tasks/files/remote-cache'
const TASK_ID = '([A-Za-z0-9_-]{1,128})'

/** THE MAP of the port that the gateway talks to. */
function createRoutes(state: State, publicUrl: string): Route[] {
  const { settings, tasks, uploads, packages, withoutCredit } = state
  const api = createTaskApi({
    tasks,
    packages,
    progressScale: settings.progressScale,
    now: settings.now,
    hasCredit: (id) => !withoutCredit.has(id),
  })
  const upload = createUploadApi({ uploads, partSize: settings.partSize, storeUrl: publicUrl })
  const packageInfo = createPackageInfo(packages)
  return [
    { operation: 'create', method: 'POST', path: TASK_PATH, handle: api.create },
    { operation: 'list', method: 'GET', path: TASK_PATH, handle: api.list },
    { operation: 'latest', method: 'GET', path: `${TASK_PATH}/latest`, handle: api.latest },
    {
      operation: 'result',
      method: 'GET',
      path: pattern(`${TASK_PATH}/${TASK_ID}/result`),
      handle: api.result,
    },
    { operation: 'detail', method: 'GET', path: pattern(`${TASK_PATH}/${TASK_ID}`), handle: api.detail },
    { operation: 'logs', method: 'GET', path: pattern(`${TASK_PATH}/${TASK_ID}/logs`), handle: api.logs },
    { operation: 'dashboard', method: 'GET', path: '/v3/users/me/dashboard', handle: api.dashboard },
    { operation: 'pause', method: 'POST', path: '/v3/user/pause', handle: api.pause },
    { operation: 'resume', method: 'POST', path: '/v3/user/resume', handle: api.resume },
    { operation: 'upload-init', method: 'POST', path: `${UPLOAD_PATH}/init`, handle: upload.init },
    {
      operation: 'upload-url',
      method: 'GET',
      path: pattern(`${UPLOAD_PATH}/${TASK_ID}/url`),
      handle: upload.url,
    },
    {
      operation: 'package-info',
      method: 'GET',
      path: pattern('/-/oomol/package-info/([^/]{1,400})/([^/]{1,100})'),
      handle: packageInfo,
    },
  ]
}

function pattern(path: string): RegExp {
  return new RegExp(`^${path}$`)
}

function createControls(state: State) {
  const { recorder, faults, tasks } = state
  return {
    misbehave: faults.add,
    counts: recorder.counts,
    reset(): void {
      recorder.reset()
      faults.clear()
    },
    tasks: (identity?: string) => snapshots(state, identity),
    finish: (taskID: string, end: TaskEnd) => tasks.finish(taskID, toOutcome(end)),
  }
}

function snapshots({ tasks, settings }: State, identity?: string): EmulatedTask[] {
  const identities = identity === undefined ? tasks.identities() : [identity]
  return identities
    .flatMap((id) => tasks.list(id))
    .sort((a, b) => a.seq - b.seq)
    .map((task) => toSnapshot(task, settings.now(), settings.phases))
}

function createEmulator(
  state: State,
  at: { url: string; storeUrl: string; close(): Promise<void> },
): Emulator {
  const { recorder, uploads, packages, withoutCredit, violations } = state
  const { misbehave, tasks, finish } = createControls(state)
  return {
    url: at.url,
    uploadUrl: `${at.url}${UPLOAD_PATH}`,
    registryUrl: at.url,
    storeUrl: at.storeUrl,
    counts: recorder.counts,
    requests: recorder.requests,
    arrived: recorder.arrived,
    misbehave,
    resetCounts: recorder.reset,
    tasks,
    finish,
    setCredit(identity, hasCredit) {
      if (hasCredit) withoutCredit.delete(identity)
      else withoutCredit.add(identity)
    },
    publish: packages.publish,
    file(uploadID) {
      const upload = uploads.find(uploadID)
      return upload === undefined ? undefined : toUploadFacts(upload)
    },
    uploads: () => uploads.all().map(toUploadFacts),
    violations: () => [...violations],
    close: at.close,
  }
}
