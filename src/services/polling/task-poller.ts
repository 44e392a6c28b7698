import type { Credential } from '../../cloud/credential.ts'
import type { TaskState } from '../../domain/task.ts'
import type { Failure } from '../../errors.ts'
import type { ReadPage } from '../tasks/list-scan.ts'
import { CredentialPoller, type PollTask } from './credential-poller.ts'

/**
 * A task to be watched with the credential it belongs to. `createdAtMs`: when it was, or is taken to be, created.
 * `isNew`: by us, just now. `isOwn`: by us, whenever; as `isNew` if left out.
 */
export type PollTarget = {
  credential: Credential
  taskID: string
  createdAtMs: number
  isNew: boolean
  isOwn?: boolean
}

/** Told what is found out; after an ended state or `onFailure` nothing more comes. */
export type Waiter = {
  onState(state: TaskState): void
  /** The task can't be watched any further, whatever time there is. */
  onFailure(failure: Failure): void
  /** A look that failed and will be repeated, or one that is put off because others failed. */
  onRetry?(failure: Failure): void
}

export type TaskPoller = {
  /** Joins; the returned function leaves. The last to leave ends the looking. The right to the task was checked before. */
  watch(target: PollTarget, waiter: Waiter): () => void
  /** How many tasks are looked at. */
  size(): number
  close(): void
}

export type TaskPollerOptions = {
  pollTask: PollTask
  readPage: ReadPage
  /** Looks at running tasks, a second and credential. */
  pollRate: number
  now: () => number
  random: () => number
  /** How long a task that was created just now may not be found. */
  notFoundMs: number
}

/** A watch without tasks is kept, because it knows how upstream has treated its credential; up to so many. */
const MAX_WATCHES = 1000

/** The one watcher of the process: one `CredentialPoller` for each credential that somebody waits with. */
export function createTaskPoller(options: TaskPollerOptions): TaskPoller {
  const watches = new Map<string, CredentialPoller>()
  return {
    watch: (target, waiter) => {
      const { credential } = target
      let watch = watches.get(credential.id)
      if (watch === undefined) {
        if (watches.size >= MAX_WATCHES) forgetIdle(watches)
        watch = new CredentialPoller(credential, options)
        watches.set(credential.id, watch)
      }
      return watch.join(target, waiter)
    },
    size: () => [...watches.values()].reduce((sum, watch) => sum + watch.size, 0),
    close: () => {
      for (const watch of watches.values()) watch.close()
      watches.clear()
    },
  }
}

function forgetIdle(watches: Map<string, CredentialPoller>): void {
  for (const [id, watch] of watches) if (watch.size === 0) watches.delete(id)
}
