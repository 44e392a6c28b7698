import { access, constants, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from './directory.ts'
import { toOpenError } from './file-errors.ts'
import { type Marker, readMarker, writeMarker } from './file-marker.ts'
import { FIRST_LAYOUT_NAMES } from './file-table.ts'
import type { SpaceReport, WalkReport } from './file-walk.ts'
import type { StoreSettings } from './limits.ts'
import { walkFile } from './run-walk.ts'
import { StoreOpenError } from './store-open-error.ts'

const DATA_NAME = 'data.mdb'
const LOCK_NAME = 'lock.mdb'
/** Where what can be read of a damaged file is copied to. */
const COPY_NAME = 'accepted'

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

/**
 * Looks whether the file is all there, before it is opened: what is wrong with it, in an operator's words;
 * undefined when nothing is, or when it is new. With `accept`, what can be read of a file that is damaged
 * becomes the store, the file is kept beside it, and nothing is wrong any more. Rejects with `StoreOpenError`
 * when the file can't be opened at all.
 */
export async function checkFile(directory: string, settings: StoreSettings): Promise<string | undefined> {
  const marker = await readMarker(directory).catch((error) => Promise.reject(toOpenError(error)))
  const hasData = await hasFile(directory)
  const report = hasData ? await walkFile(directory, settings) : undefined
  if (hasData && report === undefined) return undefined
  const damage = (marker !== 'unreadable' && marker?.damage) || findDamage(marker, report)
  if (damage === undefined) return undefined
  if (!settings.accept) {
    settings.log?.error(
      { damage },
      'the store is not what it was: requests with a key are refused until the gateway is started once with --accept-store',
    )
    await keepDamage(directory, marker, report, damage)
    return damage
  }
  if (hasData) await keepReadable(directory, settings)
  settings.log?.warn({ damage }, 'the store was accepted as it is: what could not be read of it is lost')
  return undefined
}

async function keepDamage(
  directory: string,
  marker: Marker | 'unreadable' | undefined,
  report: WalkReport | undefined,
  damage: string,
): Promise<void> {
  // An unreadable marker stays what it is until then.
  if (marker === 'unreadable') return
  const { id, spaces } = marker ?? { id: report?.id ?? '', spaces: [] }
  await writeMarker(directory, { id, spaces, damage }).catch((error) => Promise.reject(toOpenError(error)))
}

function findDamage(marker: Marker | 'unreadable' | undefined, report: WalkReport | undefined) {
  if (marker === 'unreadable') return 'store.json can not be read'
  if (report === undefined) return marker && 'the store file is missing or empty: there was one before'
  if (report.names.some((name) => FIRST_LAYOUT_NAMES.includes(name))) {
    throw new StoreOpenError(
      'names a store that was made by an older version of the gateway: move it away, then start again' +
        ' (owners and keys in it are not taken over)',
    )
  }
  if (marker !== undefined && report.id !== marker.id) {
    return 'the store file is empty or another one than before'
  }
  const lost = marker?.spaces.find((space) => report.spaces[space] === undefined)
  if (lost !== undefined) return `the store file has lost all of ${lost}`
  const damaged = Object.entries(report.spaces).find(([, space]) => isDamaged(space, report.isWhole))
  return damaged && describeDamage(...damaged)
}

/** The counts tell nothing when the walk ended early. */
function isDamaged(
  { kept, walked, keptIndex, walkedIndex, damaged, unlisted }: SpaceReport,
  isWhole: boolean,
) {
  if (damaged > 0 || unlisted > 0 || kept !== keptIndex) return true
  return isWhole && (kept !== walked || keptIndex !== walkedIndex)
}

function describeDamage(name: string, space: SpaceReport): string {
  const { kept, walked, walkedIndex, damaged, unlisted } = space
  const counts = `${walked} of ${kept} entries, ${walkedIndex} in the order of expiry`
  return `the store file is damaged: ${name} has ${counts}, ${damaged} wrong, ${unlisted} not in that order`
}

/** Puts a copy of all that can be read in the place of the file, which stays beside it under another name. */
async function keepReadable(directory: string, settings: StoreSettings): Promise<void> {
  const copyTo = join(directory, COPY_NAME)
  try {
    await rm(copyTo, { recursive: true, force: true })
    await mkdir(copyTo, { mode: 0o700 })
    const report = await walkFile(directory, settings, copyTo)
    if (report === undefined) throw new StoreOpenError('names a store whose file could not be copied')
    if (report.isBusy) {
      throw new StoreOpenError('names a store that another process has open: end it before --accept-store')
    }
    await rename(join(directory, DATA_NAME), join(directory, `damaged-${Date.now()}.mdb`))
    if (await hasFile(copyTo)) await rename(join(copyTo, DATA_NAME), join(directory, DATA_NAME))
    await rm(join(directory, LOCK_NAME), { force: true })
    await rm(copyTo, { recursive: true, force: true })
    await syncDirectory(directory)
  } catch (error) {
    throw toOpenError(error)
  }
}

async function hasFile(directory: string): Promise<boolean> {
  try {
    return (await stat(join(directory, DATA_NAME))).size > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw toOpenError(error)
  }
}
