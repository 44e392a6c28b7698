/** Between two tries: well within the time in which a task counts as not written down yet (`recordingMs`). */
const RETRY_MS = 250
/** About a minute. */
const MAX_TRIES = 240

/**
 * Tries a write that failed again until it succeeds, for about a minute. Its outcome is not waited for, and it
 * keeps no process alive. `write` may be carried out twice.
 */
export function retryInBackground(write: () => Promise<unknown>): void {
  let tries = 0
  const wait = () => setTimeout(attempt, RETRY_MS).unref()
  const attempt = () => {
    tries += 1
    write().catch(() => {
      if (tries < MAX_TRIES) wait()
    })
  }
  wait()
}
