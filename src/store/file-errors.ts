import { StoreOpenError } from './store-open-error.ts'

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

/** Another process has the file locked and does not go on. */
export function toStuckError(cause: unknown): StoreOpenError {
  return new StoreOpenError(
    'names a store that another process has locked and does not release (is one of them paused?)',
    cause,
  )
}
