import { isJsonObject, type JsonObject } from '../domain/json.ts'

/**
 * Calls under way, so that a cancellation can find the one it means. Until 2025-11-25 the protocol sends it
 * as a message of its own; the id it names is unique only within one client, hence the session, which is
 * nothing but a client's name. Later versions end the request instead.
 */
export type RunningCalls = {
  /** Registers a call; the returned function takes it out. */
  add(caller: string, session: string | undefined, id: unknown, cancel: () => void): () => void
  /** Cancels what the message says, when it is a cancellation. */
  cancelBy(caller: string, session: string | undefined, message: JsonObject['value']): void
}

export function createRunningCalls(): RunningCalls {
  const calls = new Map<string, () => void>()
  const keyOf = (caller: string, session: string, id: unknown) => JSON.stringify([caller, session, id])
  return {
    add: (caller, session, id, cancel) => {
      if (session === undefined) return () => {}
      const key = keyOf(caller, session, id)
      calls.set(key, cancel)
      return () => {
        if (calls.get(key) === cancel) calls.delete(key)
      }
    },
    cancelBy: (caller, session, { method, params }) => {
      if (session === undefined || method !== 'notifications/cancelled' || !isJsonObject(params)) return
      calls.get(keyOf(caller, session, params.requestId))?.()
    },
  }
}
