/** What the walk is told. `spaces`: the databases of each space by its name. */
export type WalkOrder = {
  lmdb: string
  options: object
  spaces: Record<string, { entries: string; byExpiry: string }>
  entriesOptions: object
  indexOptions: object
  metaName: string
  /** Longest time of the walk, in milliseconds. */
  walkMs: number
  /** Where to copy every entry that can be read, if that is asked for. */
  copyTo: string | undefined
}

/** What lies in the file: `kept` is lmdb's own count, which every transaction brings up to date. */
export type WalkReport = {
  /** The names of all databases. */
  names: string[]
  id: string | undefined
  isWhole: boolean
  isBusy: boolean
  spaces: Record<string, SpaceReport>
}

export type SpaceReport = {
  kept: number
  walked: number
  keptIndex: number
  walkedIndex: number
  /** Entries that are not what was written. */
  damaged: number
  /** Entries that the order of expiry does not have. */
  unlisted: number
}

/**
 * Walks through the whole file and counts: run in a child process, on lmdb's CommonJS build without a loader,
 * because lmdb may end the process or hang over what is damaged. Prints a `WalkReport`, or why it failed.
 * Reads entries as file-entry.ts does.
 */
export const WALK = `
const { crc32 } = require('node:zlib')
const order = JSON.parse(process.argv[1])
const lmdb = require(order.lmdb)
const until = performance.now() + order.walkMs
let isWhole = true
function * all(database, options) {
  let seen = 0
  for (const entry of database.getRange(options)) {
    seen += 1
    if (seen % 256 === 0 && order.copyTo === undefined && performance.now() > until) {
      isWhole = false
      return
    }
    yield entry
  }
}
function toVersion(version) {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(version)
  return bytes
}
function isSound(key, version, value) {
  if (version === undefined || value.length < 12) return false
  return value.readUInt32BE() === crc32(value.subarray(4), crc32(toVersion(version), crc32(key)))
}
const toKept = (database) => database.getStats().entryCount
function openSpace(root, names) {
  return [root.openDB(names.entries, order.entriesOptions), root.openDB(names.byExpiry, order.indexOptions)]
}
function walkSpace(root, names, take) {
  const [entries, index] = openSpace(root, names)
  const report = { kept: toKept(entries), keptIndex: toKept(index), walked: 0, walkedIndex: 0, damaged: 0, unlisted: 0 }
  for (const { key, version, value } of all(entries, { versions: true })) {
    report.walked += 1
    if (!isSound(key, version, value)) {
      report.damaged += 1
      continue
    }
    const indexKey = Buffer.concat([value.subarray(4, 12), key])
    take(key, value, version, indexKey)
    const listed = index.get(indexKey)
    if (listed === undefined || !listed.equals(toVersion(version))) report.unlisted += 1
  }
  for (const entry of all(index)) report.walkedIndex += 1
  return report
}
function createCopy(target, names) {
  const [entries, index] = openSpace(target, names)
  let batch = []
  const flush = () => {
    const puts = batch
    batch = []
    target.transactionSync(() => {
      for (const [key, value, version, indexKey] of puts) {
        entries.put(key, value, version)
        index.put(indexKey, toVersion(version))
      }
    })
  }
  const take = (key, value, version, indexKey) => {
    batch.push([Buffer.from(key), Buffer.from(value), version, indexKey])
    if (batch.length === 500) flush()
  }
  return { take, end: flush }
}
function hasOthers(root) {
  root.readerCheck()
  const pids = [...root.readerList().matchAll(/^\\s*(\\d+)\\s/gm)].map(([, pid]) => Number(pid))
  return pids.some((pid) => pid !== process.pid)
}
try {
  const root = lmdb.open(order.options)
  const names = [...root.getKeys()].map(String)
  const meta = names.includes(order.metaName) ? root.openDB(order.metaName, order.indexOptions) : undefined
  const id = meta?.get(Buffer.from('id'))?.toString()
  const isBusy = hasOthers(root)
  const target = order.copyTo !== undefined && !isBusy && lmdb.open({ ...order.options, path: order.copyTo })
  const spaces = {}
  for (const [space, tables] of Object.entries(order.spaces)) {
    if (!names.includes(tables.entries) || !names.includes(tables.byExpiry)) continue
    const copy = target ? createCopy(target, tables) : { take() {}, end() {} }
    spaces[space] = walkSpace(root, tables, copy.take)
    copy.end()
  }
  process.stdout.write(JSON.stringify({ names, id, isWhole, isBusy, spaces }))
  process.exit(0)
} catch (error) {
  process.stdout.write(String(error && error.message))
  process.exitCode = 1
}
`
