import type { Deadlines } from '../domain/deadlines.ts'
import { createHttpClient } from './http-client.ts'
import { type ObserveUpstream, observeUpstream } from './observe-upstream.ts'
import { createPartUploader, type PartUploader } from './part-uploader.ts'
import { createRegistryApi, type RegistryApi } from './registry-api.ts'
import { createTaskApi, type TaskApi } from './task-api.ts'
import { createUploadApi, type UploadApi } from './upload-api.ts'
import { createUpstream, type Upstream } from './upstream.ts'

/** Upstream's APIs and the store of presigned parts, over one HTTP client. */
export type Cloud = {
  tasks: TaskApi
  registry: RegistryApi
  uploads: UploadApi
  partUploader: PartUploader
  /** Ends every call and every connection. */
  close(): Promise<void>
}

type CloudDeps = {
  taskUrl: string
  registryUrl: string
  uploadUrl: string
  /** Plain HTTP and private addresses are allowed. */
  allowInsecure: boolean
  userAgent: string
  /** Milliseconds since 1970, for the dates that upstream writes. */
  now: () => number
  /** Milliseconds, by a clock that is never set. */
  monotonicNow: () => number
  deadlines: Pick<Deadlines, 'readMs' | 'createMs' | 'partMs'>
  /** Left out: calls are not counted. */
  observe: ObserveUpstream | undefined
  /** Most connections to one origin; left out: as many as the client finds useful. */
  connectionsPerOrigin?: number | undefined
}

/** Opens no connection until the first call. */
export function createCloud(deps: CloudDeps): Cloud {
  const { allowInsecure, userAgent, now, monotonicNow, deadlines, observe, connectionsPerOrigin } = deps
  const client = createHttpClient({ allowInsecure, connectionsPerOrigin })
  const toUpstream = (baseUrl: string): Upstream => {
    const upstream = createUpstream(client, baseUrl, { userAgent, now, monotonicNow, deadlines })
    return observe === undefined ? upstream : observeUpstream(upstream, observe, monotonicNow)
  }
  return {
    tasks: createTaskApi(toUpstream(deps.taskUrl)),
    registry: createRegistryApi(toUpstream(deps.registryUrl)),
    uploads: createUploadApi(toUpstream(deps.uploadUrl), { allowInsecure }),
    partUploader: createPartUploader(client, { now, deadlines }),
    close: () => client.close(),
  }
}
