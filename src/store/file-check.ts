import { execFile } from 'node:child_process'
import { access, constants, mkdir, open, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ENTRIES_OPTIONS, INDEX_OPTIONS, tableNames, toLmdbOptions } from './file-table.ts'
import type { StoreSettings } from './limits.ts'
import { SPACES } from './store.ts'
import { StoreOpenError } from './store-open-error.ts'

/** How long the check reads entries, in milliseconds. */
const CHECK_READ_MS = 1000
/** lmdb may print what it finds. */
const MAX_PRINTED_BYTES = 16 * 1024 * 1024

// Runs in a child process, on lmdb's CommonJS build: no loader, no build step. Prints why it failed.
const CHECK = `
const [lmdb, options, databases, readMs] = process.argv.slice(1).map((argument) => JSON.parse(argument))
try {
  const root = require(lmdb).open(options)
  const until = performance.now() + readMs
  for (const [name, databaseOptions] of databases) {
    for (const entry of root.openDB(name, databaseOptions).getRange()) if (performance.now() > until) break
  }
  process.exit(0)
} catch (error) {
  process.stdout.write(String(error && error.message))
  process.exitCode = 1
}
`

/** Creates the directory if it is missing. Rejects with `StoreOpenError` unless it can be read and written. */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    const firstMade = await mkdir(directory, { recursive: true, mode: 0o700 })
    if (firstMade !== undefined) await syncDirectory(dirname(firstMade))
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw toOpenError(error)
  }
}

/** Makes the names in a directory as durable as its files, where the file system can do that. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    await handle.close()
  }
}

/**
 * Opens an existing file in a child process first. lmdb ends the whole process, without a message, over a
 * file that is damaged or truncated, and waits without end for a lock that another process never releases.
 * Only the child fails then. Rejects with `StoreOpenError` if the child did not succeed.
 */
export async function checkFile(directory: string, settings: StoreSettings): Promise<void> {
  if (!(await hasFile(directory))) return
  const lmdb = createRequire(import.meta.url).resolve('lmdb')
  const databases = SPACES.flatMap((space) => {
    const names = tableNames(space)
    return [
      [names.entries, ENTRIES_OPTIONS],
      [names.byExpiry, INDEX_OPTIONS],
    ]
  })
  const given = [lmdb, toLmdbOptions(directory, settings), databases, CHECK_READ_MS]
  const ended = await runChild(
    given.map((argument) => JSON.stringify(argument)),
    settings.timeoutMs,
  )
  if (ended.kind === 'not run') settings.log?.warn({ err: ended.cause }, 'the store file was not checked')
  if (ended.kind === 'failed') throw ended.error
}

type Ended =
  | { kind: 'passed' }
  | { kind: 'not run'; cause: Error }
  | { kind: 'failed'; error: StoreOpenError }

function runChild(given: string[], timeoutMs: number): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_PRINTED_BYTES } as const
    execFile(process.execPath, ['-e', CHECK, ...given], options, (error, printed) => {
      if (error === null) resolve({ kind: 'passed' })
      else if (typeof error.code === 'string') resolve({ kind: 'not run', cause: error })
      else if (error.killed) resolve({ kind: 'failed', error: toStuckError(error) })
      else resolve({ kind: 'failed', error: toOpenError(new Error(printed, { cause: error })) })
    })
  })
}

async function hasFile(directory: string): Promise<boolean> {
  try {
    return (await stat(join(directory, 'data.mdb'))).size > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw toOpenError(error)
  }
}

function toStuckError(cause: unknown): StoreOpenError {
  return new StoreOpenError(
    'names a store that another process has locked and does not release (is one of them paused?)',
    cause,
  )
}

/** Why a file could not be opened, in an operator's words. lmdb's errors have only their text. */
export function toOpenError(cause: unknown): StoreOpenError {
  if (cause instanceof StoreOpenError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const says = (...words: string[]) => words.some((word) => code === word || message.includes(word))
  if (says('EEXIST', 'ENOTDIR', 'Not a directory', 'EISDIR', 'Is a directory')) {
    return new StoreOpenError('must name a directory, not a file', cause)
  }
  if (says('EACCES', 'EPERM', 'Permission denied', 'not permitted')) {
    return new StoreOpenError('names a directory without permission to read and write in it', cause)
  }
  if (says('EROFS', 'Read-only file system')) {
    return new StoreOpenError('names a directory on a file system that is read-only', cause)
  }
  if (says('ENOSPC', 'No space left')) {
    return new StoreOpenError('names a directory on a file system that is full', cause)
  }
  if (says('temporarily unavailable')) {
    return new StoreOpenError(
      'names a store that a process of the same process id has open: two containers can share a store' +
        ' only if they share their process ids too',
      cause,
    )
  }
  return new StoreOpenError('names a store whose file is damaged, or is not a store of this gateway', cause)
}
