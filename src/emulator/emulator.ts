import { createServer } from 'node:http'
import { createApiListener, type Route } from './api-server.ts'
import { createBuiltInPackages } from './built-in-packages.ts'
import { createControlApi } from './control-api.ts'
import { createFaultPlan, type Fault, type FaultPlan } from './faults.ts'
import { createAuthenticate } from './identity.ts'
import { createInspectFile } from './inspect-file.ts'
import type { Operation } from './operations.ts'
import { type EmulatorOptions, type EmulatorSettings, toSettings } from './options.ts'
import { createPackageShelf, type EmulatedPackage, type PackageShelf } from './packages.ts'
import { createRecorder, type RecordedRequest, type Recorder } from './recorder.ts'
import { createPackageInfo } from './registry.ts'
import { closeServer, listen } from './serve.ts'
import { createStoreListener, type Violation } from './store-server.ts'
import { createTaskApi } from './task-api.ts'
import { type EmulatedTask, type TaskEnd, toOutcome, toSnapshot } from './task-snapshot.ts'
import { createTaskStore, type TaskStore } from './tasks.ts'
import { createUploadApi } from './upload-api.ts'
import { createUploadStore, toUploadFacts, type UploadFacts, type UploadStore } from './uploads.ts'

// The types of the API below, so that who starts an emulator needs one import.
export type { EmulatedPackage, EmulatedTask, EmulatorOptions, Fault, Operation, RecordedRequest }

/** A local OOMOL that runs, and what a test can ask of it and tell it. */
export type Emulator = {
  /** Base of the task API, without a trailing slash. */
  readonly url: string
  readonly uploadUrl: string
  readonly registryUrl: string
  /** The store's own address, whatever `EmulatorOptions.storeUrl` says to others. */
  readonly storeUrl: string
  /** How often each operation was reached; a request counts once its head is here. */
  counts(): Record<Operation, number>
  /** The last 10,000 requests of all operations, oldest first. */
  requests(operation?: Operation): RecordedRequest[]
  /**
   * A gate: opens when the nth request of an operation (from 1; left out: the next one) has arrived: with
   * its whole body, or for parts and files with its head. Rejects when the emulator is closed before.
   */
  arrived(operation: Operation, nth?: number): Promise<RecordedRequest>
  /**
   * Spoils the next `times` requests of an operation (default 1, for `lag` and `order` all; Infinity is
   * allowed), after whatever was told before. The function returned takes it back.
   */
  misbehave(operation: Operation, fault: Fault, times?: number): () => void
  /** Counts from 0 again and forgets the requests; faults, tasks and files stay. */
  resetCounts(): void
  /** The tasks of one identity (the key or the cookie's value), or all; oldest first. */
  tasks(identity?: string): EmulatedTask[]
  /** Ends a task that has not ended, now. Throws when there is none such. */
  finish(taskID: string, end: TaskEnd): void
  /** Without credit, creates are answered with 402. */
  setCredit(identity: string, hasCredit: boolean): void
  publish(pkg: EmulatedPackage): void
  file(uploadID: string): UploadFacts | undefined
  uploads(): UploadFacts[]
  /** The presigned PUTs that carried a credential. */
  violations(): Violation[]
  /** Stops at once, whatever hangs. */
  close(): Promise<void>
}

/** What the map is drawn from: the state of one emulator. */
type Parts = {
  readonly settings: EmulatorSettings
  readonly recorder: Recorder
  readonly faults: FaultPlan
  readonly tasks: TaskStore
  readonly uploads: UploadStore
  readonly packages: PackageShelf
  readonly violations: Violation[]
  readonly withoutCredit: Set<string>
}

/** Starts an emulator; rejects when a port can't be had. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const settings = toSettings(options)
  const parts = createParts(settings)
  const { host, port, storePort } = settings
  const storeServer = createServer(
    createStoreListener({ ...parts, ...settings, delayMs: settings.storeDelayMs }),
  )
  const storeUrl = await listen(storeServer, host, storePort)
  const publicUrl = settings.storeUrl ?? storeUrl
  const inspect = createInspectFile({ publicUrl, localUrl: storeUrl })
  for (const pkg of createBuiltInPackages(inspect)) parts.packages.publish(pkg)
  const apiServer = createServer(
    createApiListener({
      ...parts,
      routes: createRoutes(parts, publicUrl),
      authenticate: createAuthenticate(settings.keys, settings.cookies),
      control: createControlApi(createControls(parts)),
    }),
  )
  const servers = [storeServer, apiServer]
  async function close(): Promise<void> {
    parts.tasks.close()
    parts.recorder.close()
    await Promise.all(servers.map(closeServer))
  }
  try {
    return createEmulator(parts, { url: await listen(apiServer, host, port), storeUrl, close })
  } catch (error) {
    await closeServer(storeServer)
    throw error
  }
}

function createParts(settings: EmulatorSettings): Parts {
  return {
    settings,
    recorder: createRecorder(settings),
    faults: createFaultPlan(),
    tasks: createTaskStore(settings),
    uploads: createUploadStore(settings),
    packages: createPackageShelf([]),
    violations: [],
    withoutCredit: new Set(),
  }
}

const TASK_PATH = '/v3/users/me/tasks'
const UPLOAD_PATH = '/api/tasks/files/remote-cache'
const TASK_ID = '([A-Za-z0-9_-]{1,128})'

/** THE MAP of the port that the gateway talks to. */
function createRoutes(parts: Parts, publicUrl: string): Route[] {
  const { settings, withoutCredit, packages } = parts
  const api = createTaskApi({
    ...parts,
    ...settings,
    tasks: parts.tasks,
    hasCredit: (id) => !withoutCredit.has(id),
  })
  const upload = createUploadApi({ uploads: parts.uploads, partSize: settings.partSize, storeUrl: publicUrl })
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

function createControls(parts: Parts) {
  const { recorder, faults, tasks } = parts
  return {
    misbehave: faults.add,
    counts: recorder.counts,
    reset(): void {
      recorder.reset()
      faults.clear()
    },
    tasks: (identity?: string) => snapshots(parts, identity),
    finish: (taskID: string, end: TaskEnd) => tasks.finish(taskID, toOutcome(end)),
  }
}

function snapshots({ tasks, settings }: Parts, identity?: string): EmulatedTask[] {
  const identities = identity === undefined ? tasks.identities() : [identity]
  return identities
    .flatMap((id) => tasks.list(id))
    .sort((a, b) => a.seq - b.seq)
    .map((task) => toSnapshot(task, settings.now(), settings.phases))
}

function createEmulator(
  parts: Parts,
  at: { url: string; storeUrl: string; close(): Promise<void> },
): Emulator {
  const { recorder, uploads, packages, withoutCredit, violations } = parts
  const { misbehave, tasks, finish } = createControls(parts)
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
