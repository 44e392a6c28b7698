import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { toOpenError, toStuckError } from './file-errors.ts'
import { ENTRIES_OPTIONS, INDEX_OPTIONS, META_NAME, tableNames, toLmdbOptions } from './file-table.ts'
import { WALK, type WalkOrder, type WalkReport } from './file-walk.ts'
import type { StoreSettings } from './limits.ts'
import { forEachSpace } from './store.ts'

/** How long the walk through a file goes on at most; a larger file is not walked to its end. */
const WALK_MS = 4000
/** Copying what can be read of a damaged file takes as long as it takes; in milliseconds. */
const COPY_MS = 15 * 60_000
/** lmdb may print what it finds. */
const MAX_PRINTED_BYTES = 16 * 1024 * 1024

/**
 * Walks through an existing file in a child process: lmdb ends the whole process, without a message, over a
 * file that is damaged or truncated, and waits without end for a lock that another process never releases.
 * Only the child fails then. With `copyTo` it copies there what it can read. Undefined when no child could be
 * started, which is logged. Rejects with `StoreOpenError` if the child did not succeed.
 */
export async function walkFile(
  directory: string,
  settings: StoreSettings,
  copyTo?: string,
): Promise<WalkReport | undefined> {
  const order: WalkOrder = {
    lmdb: createRequire(import.meta.url).resolve('lmdb'),
    options: toLmdbOptions(directory, settings),
    spaces: forEachSpace(tableNames),
    entriesOptions: ENTRIES_OPTIONS,
    indexOptions: INDEX_OPTIONS,
    metaName: META_NAME,
    walkMs: Math.min(WALK_MS, settings.timeoutMs / 2),
    copyTo,
  }
  const ended = await runChild(order, copyTo === undefined ? settings.timeoutMs : COPY_MS)
  if (ended instanceof Error) {
    settings.log?.warn({ err: ended }, 'the store file was not checked')
    return undefined
  }
  if (!ended.isWhole) settings.log?.warn({}, 'the store file is large: it was not checked to its end')
  return ended
}

/** Resolves with an error when there was no child at all. */
function runChild(order: WalkOrder, timeoutMs: number): Promise<WalkReport | Error> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_PRINTED_BYTES } as const
    execFile(process.execPath, ['-e', WALK, JSON.stringify(order)], options, (error, printed) => {
      if (error === null) resolve(JSON.parse(printed) as WalkReport)
      else if (typeof error.code === 'string') resolve(error)
      else if (error.killed) reject(toStuckError(error))
      else reject(toOpenError(new Error(printed, { cause: error })))
    })
  })
}
