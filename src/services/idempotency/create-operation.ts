import type { CreateRequest } from '../../domain/create-request.ts'
import type { FinishedTask } from '../../domain/task.ts'

/** A key as its caller gave it, and what identifies the request that came with it. */
export type KeyUse = { key: string; fingerprint: string }

/** A task as its create gave it. `answer` is upstream's own. */
export type MadeTask = { taskID: string; createdAtMs: number; answer: Buffer }

/**
 * A task that this gateway created. `isReplayed`: not by this request but by an earlier one with the same key.
 * `finished`: how it ended, when its key knows that.
 */
export type CreatedTask = MadeTask & {
  isReplayed: boolean
  finished: FinishedTask | undefined
  /** Keeps the end of the task with its key, if it has one. A write that fails is of no consequence. */
  saveOutcome(task: FinishedTask): void
}

/** The steps of one create, for the request that has to make it. */
export type CreateOperation = {
  readonly request: CreateRequest
  /** Throws when the create would be refused; called before anything is written or sent. */
  check(): Promise<void>
  /**
   * Sends the create: at most once a call, and not at all if `isTooLate` says so right before its first byte.
   * Throws `GatewayError`.
   */
  send(isTooLate?: () => boolean): Promise<MadeTask>
  /** Writes down whose task it is; durable when it resolves. May be repeated. Throws `store_unavailable`. */
  record(taskID: string): Promise<void>
}
