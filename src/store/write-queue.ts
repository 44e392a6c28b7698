export type WriteQueue = {
  /**
   * Starts a write and waits for it, at most `timeoutMs`. `takeBack` undoes a write that went through after
   * it was reported as failed.
   */
  run(write: () => Promise<boolean>, takeBack?: () => Promise<boolean>): Promise<boolean>
  /** Takes no more writes, and waits for those under way, at most `timeoutMs`: whether all have ended. */
  close(): Promise<boolean>
}

/**
 * The writes under way. lmdb's own promises may never settle, because another process holds the lock on
 * the file or because the disk failed; and a write after the close would throw where nothing catches it.
 * `onFailure` gets the cause of each write that lmdb rejects.
 */
export function createWriteQueue(timeoutMs: number, onFailure: (cause: unknown) => void): WriteQueue {
  const underWay = new Set<Promise<unknown>>()
  let isClosed = false

  const start = (write: () => Promise<boolean>): Promise<boolean> => {
    if (isClosed) throw new Error('the store is closed')
    const written = write()
    underWay.add(written)
    written.catch(toCause).then((cause) => cause instanceof Error && onFailure(cause))
    written.catch(ignore).finally(() => underWay.delete(written))
    return written
  }
  const undo = (takeBack: () => Promise<boolean>): void => {
    if (!isClosed) start(takeBack).catch(ignore)
  }
  return {
    async run(write, takeBack) {
      const written = start(write)
      const isInTime = await settlesWithin(timeoutMs, [written])
      if (isInTime) return written
      if (takeBack !== undefined) written.then((isDone) => isDone && undo(takeBack), ignore)
      throw new Error('a write to the store took too long')
    },
    close() {
      isClosed = true
      return settlesWithin(timeoutMs, [...underWay])
    },
  }
}

async function settlesWithin(timeoutMs: number, promises: readonly Promise<unknown>[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  const settled = Promise.allSettled(promises).then(() => true)
  try {
    return await Promise.race([settled, deadline])
  } finally {
    clearTimeout(timer)
  }
}

function ignore(): void {}

/** Beside its rejections lmdb rejects one more promise, with the cause, which nothing else would handle. */
async function toCause(error: Error & { commitError?: Promise<unknown> }): Promise<unknown> {
  return error.commitError === undefined ? error : error.commitError.catch((cause) => cause)
}
