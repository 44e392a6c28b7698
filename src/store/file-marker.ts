import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from './directory.ts'

const NAME = 'store.json'

/** Says that a directory has a store, so that a file that has gone is not taken for one that never was. */
export type Marker = {
  /** The id that the file has as well. */
  id: string
  /** The spaces that it had when it was opened last. */
  spaces: string[]
  /** What was wrong with it and has not been accepted: opening it again makes some of that look right. */
  damage?: string
}

/** The marker of a directory; `unreadable` when there is one that can't be understood. */
export async function readMarker(directory: string): Promise<Marker | 'unreadable' | undefined> {
  try {
    const { id, spaces, damage } = JSON.parse(await readFile(join(directory, NAME), 'utf8'))
    const isMarker = [id, damage ?? ''].every(isText) && Array.isArray(spaces) && spaces.every(isText)
    return isMarker ? { id, spaces, ...(damage !== undefined && { damage }) } : 'unreadable'
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return 'unreadable'
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Writes the marker, whole or not at all, unless it says that already; durable when it resolves. */
export async function writeMarker(directory: string, marker: Marker): Promise<void> {
  const current = await readMarker(directory)
  if (JSON.stringify(current) === JSON.stringify(marker)) return
  const draft = join(directory, `${NAME}.${randomUUID()}`)
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(marker)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, join(directory, NAME))
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await syncDirectory(directory)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}
