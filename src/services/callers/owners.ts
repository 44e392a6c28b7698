import { GatewayError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { ServiceLog } from '../service-log.ts'
import type { Caller, RequestContext } from './request-context.ts'
import { UnwrittenOwners } from './unwritten-owners.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** How long a task's owner is kept. */
const OWNER_MS = 30 * DAY_MS
/** An upload and its file live one day at upstream. */
const UPLOAD_OWNER_MS = 2 * DAY_MS

/**
 * The owners of tasks. Behind one key all tasks belong to one upstream user, so the gateway stores the owner
 * of each task it creates. For a user with an own cookie upstream decides, and nothing is stored.
 */
export type Owners = {
  /**
   * Stores the caller as the task's owner; durable once it resolves. Throws `store_unavailable`: then this process
   * knows the owner all the same, and writes it when the store is back.
   */
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
  /** Tries no longer to write what the store did not take. */
  close(): void
}

export function createOwners(store: Store, log: ServiceLog): Owners {
  const write = (taskID: string, owner: string) => store.put('owners', taskID, owner, OWNER_MS)
  const unwritten = new UnwrittenOwners(write, log)
  const visible = async ({ caller }: RequestContext, taskIDs: readonly string[]): Promise<boolean[]> => {
    if (seesAll(caller)) return taskIDs.map(() => true)
    const remembered = taskIDs.map((taskID) => unwritten.get(taskID))
    const stored = remembered.includes(undefined) ? await store.getMany('owners', taskIDs) : []
    return remembered.map((owner, at) => (owner ?? stored[at]) === caller.id)
  }
  return {
    record: async ({ caller }, taskID) => {
      if (caller.kind === 'user') return
      try {
        await write(taskID, caller.id)
      } catch (error) {
        unwritten.add(taskID, caller.id)
        throw error
      }
    },
    require: async (context, taskID) => {
      const [isVisible] = await visible(context, [taskID])
      if (!isVisible) throw new GatewayError({ code: 'not_found', what: 'task' })
    },
    seesAll: ({ caller }) => seesAll(caller),
    visible,
    recordUpload: async ({ caller }, uploadID) => {
      if (caller.kind === 'user') return
      await store.put('owners', uploadKey(uploadID), caller.id, UPLOAD_OWNER_MS)
    },
    requireUpload: async ({ caller }, uploadID) => {
      if (caller.kind === 'user' || (await store.get('owners', uploadKey(uploadID))) === caller.id) return
      throw new GatewayError({ code: 'not_found', what: 'upload' })
    },
    close: () => unwritten.close(),
  }
}

/** Task ids have no colon, so these keys never collide with them. */
function uploadKey(uploadID: string): string {
  return `upload:${uploadID}`
}

function seesAll(caller: Caller): boolean {
  return caller.kind === 'user' || caller.rules.scopes.has('tasks:read:all')
}
