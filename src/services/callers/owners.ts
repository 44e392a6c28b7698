import { GatewayError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { Caller, RequestContext } from './request-context.ts'

/** How long a task's owner is kept. */
const OWNER_DAYS = 30
/** An upload and its file live one day at upstream. */
const UPLOAD_OWNER_DAYS = 2
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * The owners of tasks. Behind one key all tasks belong to one upstream user, so the gateway stores the owner
 * of each task it creates. For a user with an own cookie upstream decides, and nothing is stored.
 */
export type Owners = {
  /** Stores the caller as the task's owner; durable once it resolves. Throws `store_unavailable`. */
  record(context: RequestContext, taskID: string): Promise<void>
  /** Throws `not_found` unless the caller may see the task. */
  require(context: RequestContext, taskID: string): Promise<void>
  /** Whether the caller may see every task behind its credential. */
  seesAll(context: RequestContext): boolean
  /** Whether the caller may see each of the tasks, in the order of `taskIDs`. */
  visible(context: RequestContext, taskIDs: readonly string[]): Promise<boolean[]>
  /** Stores the owner of an upload that the caller finalises itself. Throws `store_unavailable`. */
  recordUpload(context: RequestContext, uploadID: string): Promise<void>
  /** Throws `not_found` unless the caller owns the upload. */
  requireUpload(context: RequestContext, uploadID: string): Promise<void>
}

export function createOwners(store: Store, now: () => number): Owners {
  const visible = async ({ caller }: RequestContext, taskIDs: readonly string[]): Promise<boolean[]> => {
    if (seesAll(caller)) return taskIDs.map(() => true)
    const owners = await store.getMany('owners', taskIDs)
    return owners.map((owner) => owner === caller.id)
  }
  return {
    record: async ({ caller }, taskID) => {
      if (caller.kind !== 'user') await store.put('owners', taskID, caller.id, now() + OWNER_DAYS * DAY_MS)
    },
    require: async (context, taskID) => {
      const [isVisible] = await visible(context, [taskID])
      if (!isVisible) throw new GatewayError({ code: 'not_found', what: 'task' })
    },
    seesAll: ({ caller }) => seesAll(caller),
    visible,
    recordUpload: async ({ caller }, uploadID) => {
      if (caller.kind === 'user') return
      await store.put('owners', uploadKey(uploadID), caller.id, now() + UPLOAD_OWNER_DAYS * DAY_MS)
    },
    requireUpload: async ({ caller }, uploadID) => {
      if (caller.kind === 'user' || (await store.get('owners', uploadKey(uploadID))) === caller.id) return
      throw new GatewayError({ code: 'not_found', what: 'upload' })
    },
  }
}

/** Task ids have no colon, so these keys never collide with them. */
function uploadKey(uploadID: string): string {
  return `upload:${uploadID}`
}

function seesAll(caller: Caller): boolean {
  return caller.kind === 'user' || caller.rules.scopes.has('tasks:read:all')
}
