import { constants, fstatSync, openSync, write } from 'node:fs'
import { isatty } from 'node:tty'

/**
 * Where the log goes. Nothing that happens to the reader of the log may hold up the gateway: lines that can't be
 * written soon are lost, and counted.
 */
export type LogDestination = {
  /** Takes one line or more, each with its newline. Never blocks and never throws. */
  write(lines: string): void
  /** How many lines were lost so far. */
  readonly lostLines: number
  /** Resolves when everything is written or lost, at the latest after `ms` milliseconds. */
  flush(ms: number): Promise<void>
}

/** Writes all of it, then calls back; with an error when a part of it was not written. */
type WriteOut = (bytes: Buffer, done: (error?: Error | null) => void) => void

/** What may wait to be written. */
const MAX_WAITING_BYTES = 4 * 2 ** 20
/** What is written at once. */
const MAX_WRITE_BYTES = 64 * 2 ** 10
/** How soon a terminal that takes nothing at the moment is asked again. */
const RETRY_MS = 50

/** The destination that writes to standard output. To be made once a process. */
export function openStandardOutput(): LogDestination {
  if (isPipe(1)) return createLogDestination(writeToPipe)
  const fd = isatty(1) ? openTerminal() : 1
  return createLogDestination((bytes, done) => writeToFile(fd, bytes, done))
}

export function createLogDestination(
  writeOut: WriteOut,
  maxWaitingBytes: number = MAX_WAITING_BYTES,
): LogDestination {
  const waiting: Buffer[] = []
  let waitingBytes = 0
  let isWriting = false
  let lostLines = 0
  let onIdle: (() => void)[] = []

  const writeNext = () => {
    if (isWriting) return
    if (waiting.length === 0) {
      for (const idle of onIdle.splice(0)) idle()
      return
    }
    const batch = takeBatch(waiting)
    isWriting = true
    writeOut(batch, (error) => {
      isWriting = false
      waitingBytes -= batch.length
      if (error) lostLines += countLines(batch)
      writeNext()
    })
  }

  return {
    get lostLines() {
      return lostLines
    },
    write: (lines) => {
      const bytes = Buffer.from(lines)
      if (waitingBytes + bytes.length > maxWaitingBytes) {
        lostLines += countLines(bytes)
        return
      }
      waiting.push(bytes)
      waitingBytes += bytes.length
      writeNext()
    },
    flush: (ms) =>
      new Promise((resolve) => {
        if (!isWriting) return resolve()
        const timer = setTimeout(resolve, ms)
        onIdle = [
          ...onIdle,
          () => {
            clearTimeout(timer)
            resolve()
          },
        ]
      }),
  }
}

/** Takes lines from the front, as many as are written at once. */
function takeBatch(waiting: Buffer[]): Buffer {
  let count = 0
  let bytes = 0
  for (const line of waiting) {
    if (count > 0 && bytes + line.length > MAX_WRITE_BYTES) break
    count += 1
    bytes += line.length
  }
  const lines = waiting.splice(0, count)
  return lines.length === 1 && lines[0] !== undefined ? lines[0] : Buffer.concat(lines)
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1
  return lines
}

/** The terminal once more, so that one that was stopped (Ctrl-S) says so instead of holding a thread. */
function openTerminal(): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    return openSync('/dev/stdout', O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    return 1
  }
}

function isPipe(fd: number): boolean {
  const stats = fstatSync(fd)
  return stats.isFIFO() || stats.isSocket()
}

/**
 * Node's own stream, because no two may watch one pipe. It is asynchronous for pipes; a write to one that is full
 * by `fs` would hold a thread, and with it the end of the process.
 */
const writeToPipe: WriteOut = (bytes, done) => {
  // A pipe without a reader reports each write to its callback, and here as well.
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {})
  process.stdout.write(bytes, done)
}

/** Files and devices; a full disk is tried again with the next lines. */
function writeToFile(fd: number, bytes: Buffer, done: (error?: Error | null) => void): void {
  write(fd, bytes, (error, written) => {
    if (error?.code === 'EAGAIN') setTimeout(() => writeToFile(fd, bytes, done), RETRY_MS).unref()
    else if (error !== null || written === bytes.length) done(error)
    else writeToFile(fd, bytes.subarray(written), done)
  })
}
