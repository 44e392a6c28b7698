import { CredentialPoller, type PollerDeps } from './credential-poller.ts'
import type { PollTarget, Waiter } from './polled-task.ts'

export type TaskPoller = {
  /**
   * Has the task polled until it ends or its last waiter leaves; the returned function leaves. The caller has
   * checked the right to the task.
   */
  join(target: PollTarget, waiter: Waiter): () => void
  /** How many tasks are polled. */
  size(): number
  close(): void
}

/** How many are kept, also those without tasks, because they know how upstream has treated their credential. */
const MAX_POLLERS = 1000

/**
 * The one poller of the process: a `CredentialPoller` for each credential that is waited with. For each,
 * `PollSchedule` decides when tasks are due, `PollPlan` which request is next, `PollBudget` whether it may be made.
 */
export function createTaskPoller(deps: PollerDeps): TaskPoller {
  const pollers = new Map<string, CredentialPoller>()
  return {
    join: (target, waiter) => {
      const { credential } = target
      let poller = pollers.get(credential.id)
      if (poller === undefined) {
        if (pollers.size >= MAX_POLLERS) forgetIdle(pollers)
        poller = new CredentialPoller(credential, deps)
        pollers.set(credential.id, poller)
      }
      return poller.join(target, waiter)
    },
    size: () => [...pollers.values()].reduce((sum, poller) => sum + poller.size, 0),
    close: () => {
      for (const poller of pollers.values()) poller.close()
      pollers.clear()
    },
  }
}

function forgetIdle(pollers: Map<string, CredentialPoller>): void {
  for (const [id, poller] of pollers) if (poller.size === 0) pollers.delete(id)
}
