import type { FileHandle } from 'node:fs/promises'
import { lstat, mkdtemp, open, readdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ByteCollector } from '../../domain/byte-collector.ts'
import { SharedLimit } from '../../domain/shared-limit.ts'
import { GatewayError } from '../../errors.ts'
import type { ByteSource } from './file-intake.ts'

const DIRECTORY_PREFIX = 'oomol-gateway-spool-'
const READ_BYTES = 256 * 1024
/** Small chunks are written together: each write is a turn of its own for a thread. */
const WRITE_BYTES = 64 * 1024

/** Bytes on disk over all uploads of this process, half of them for one caller; more would take the room of other programs. */
const LIMIT_BYTES = 8 * 2 ** 30

/** A file on disk that only this process can open: it has no name any more. */
type SpooledFile = { readonly bytes: number; readonly source: ByteSource; close(): Promise<void> }

/** Where bodies go whose size is not known before their end. */
export type Spool = {
  /** Writes a source of a caller's to its end. What was written is gone when this rejects. Throws `overloaded` when the disk is full. */
  write(callerID: string, source: ByteSource): Promise<SpooledFile>
  /** Removes the files of processes that died. */
  clean(): Promise<void>
  close(): Promise<void>
}

/** `parentDirectory` may be shared with anyone: the spool has a directory of its own in it, readable by its user only. */
export function createSpool(parentDirectory: string): Spool {
  let directory: Promise<string> | undefined
  let files = 0
  const disk = new SharedLimit(LIMIT_BYTES, LIMIT_BYTES / 2)

  const openUnnamed = async (): Promise<FileHandle> => {
    directory ??= mkdtemp(join(parentDirectory, `${DIRECTORY_PREFIX}${process.pid}-`))
    files += 1
    const path = join(await directory, String(files))
    const file = await open(path, 'wx+', 0o600)
    // Without a name it goes with its last handle, however this process ends.
    await unlink(path)
    return file
  }

  return {
    write: async (callerID, source) => {
      const file = await openUnnamed().catch((error: unknown) => {
        directory = undefined
        throw noRoom(error)
      })
      let bytes = 0
      let open = true
      const close = async () => {
        if (!open) return
        open = false
        disk.give(callerID, bytes)
        await file.close()
      }
      try {
        const unwritten = new ByteCollector()
        for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
          if (disk.refusal(callerID, chunk.length) !== undefined) throw noRoom(undefined)
          disk.take(callerID, chunk.length)
          bytes += chunk.length
          unwritten.append(chunk)
          if (unwritten.bytes >= WRITE_BYTES) await writeAll(file, unwritten.take())
        }
        await writeAll(file, unwritten.take())
      } catch (error) {
        await close()
        throw error
      }
      return { bytes, source: sourceOf(file), close }
    },
    clean: () => cleanStale(parentDirectory),
    close: async () => {
      const path = await directory?.catch(() => undefined)
      if (path !== undefined) await rm(path, { recursive: true, force: true })
    },
  }
}

async function writeAll(file: FileHandle, chunks: readonly Buffer[]): Promise<void> {
  try {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten
    }
  } catch (error) {
    throw noRoom(error)
  }
}

function sourceOf(file: FileHandle): ByteSource {
  let at = 0
  return {
    next: async () => {
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at)
      at += bytesRead
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead)
    },
  }
}

function noRoom(cause: unknown): GatewayError {
  const detail =
    'There is no room for a body of unknown length. Send it with its Content-Length or X-File-Size.'
  return new GatewayError({ code: 'overloaded', detail }, { cause })
}

/** Removes directories of ours whose process is gone. One that can't be inspected is left alone. */
async function cleanStale(parentDirectory: string): Promise<void> {
  const names = await readdir(parentDirectory).catch(() => [])
  for (const name of names) {
    const pid = new RegExp(`^${DIRECTORY_PREFIX}(\\d+)-`).exec(name)?.[1]
    if (pid === undefined || isOtherProcess(Number(pid))) continue
    const path = join(parentDirectory, name)
    const stat = await lstat(path).catch(() => undefined)
    if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) continue
    await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}

/** A process of that id that lives and is not this one: in a container ours is often the same after a restart. */
function isOtherProcess(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}
