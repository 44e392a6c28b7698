import closeWithGrace, { type Options } from 'close-with-grace'

/** Why the process ends: it was told to, or something was thrown that nobody caught. */
type EndCause = { signal?: string | undefined; err?: Error | undefined }

export type ProcessSignals = {
  /** What is done from now on before the process ends. Without it the process just ends. */
  onEnd(end: (cause: EndCause) => Promise<void>): void
  /** What SIGHUP does from now on, and at once if one has come already. */
  onReload(reload: () => void): void
}

/**
 * SIGHUP is for reading the configuration again. The fatal signals are the system's: a process whose memory is
 * wrong must not run on, and a handler of Node's makes it spin at the instruction that failed, for ever. Nor does
 * an empty event loop need anything: a command has then done its work.
 */
const NOT_HANDLED: Options['skip'] = [
  'SIGHUP',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'beforeExit',
]

/**
 * Handles signals and uncaught errors from now on. Called before anything slow is loaded: the first process of a
 * container has no default handlers, so that a SIGTERM that comes too early would be lost. A second signal while
 * the process ends cuts that short, with exit code 1.
 */
export function listenForSignals(): ProcessSignals {
  let end = async ({ err }: EndCause): Promise<void> => {
    if (err) process.stderr.write(`${err.stack ?? err}\n`)
  }
  let reload: (() => void) | undefined
  let isReloadWanted = false
  // Whoever ends in good time is the one that ends, so there is no deadline here.
  closeWithGrace({ delay: false, logger: false, skip: NOT_HANDLED }, (cause) => end(cause))
  process.on('SIGHUP', () => {
    if (reload === undefined) isReloadWanted = true
    else reload()
  })
  return {
    onEnd: (next) => {
      end = next
    },
    onReload: (next) => {
      reload = next
      if (isReloadWanted) next()
    },
  }
}
