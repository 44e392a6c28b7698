import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { GatewaySide } from './sides.ts'

/** One look at the process. Memory without the pages of the store's file, which the system takes back when it likes. */
export type Reading = { atMs: number; memoryMib: number; descriptors: number; resources: number }

export async function read(gateway: GatewaySide): Promise<Reading> {
  const metrics = await gateway.metrics()
  return {
    atMs: performance.now(),
    memoryMib: memoryMib(gateway.pid),
    descriptors: readdirSync(`/proc/${gateway.pid}/fd`).length,
    resources: metrics.get('nodejs_active_resources_total') ?? 0,
  }
}

/** What the descriptors of a process are, with how many of each; of files their names. */
export function describeDescriptors(pid: number): string {
  const counts = new Map<string, number>()
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    const target = linkTarget(`/proc/${pid}/fd/${name}`)
    const kind = target.startsWith('/') ? target : target.replace(/:\[\d+\]$/, '')
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
}

/** One that is closed meanwhile has none. */
function linkTarget(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return 'closed'
  }
}

function memoryMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

/** Least squares, in MiB a minute. */
export function memorySlope(readings: readonly Reading[]): number {
  const minutes = readings.map(({ atMs }) => atMs / 60_000)
  const memory = readings.map(({ memoryMib }) => memoryMib)
  const [meanX, meanY] = [mean(minutes), mean(memory)]
  let above = 0
  let below = 0
  for (const [at, x] of minutes.entries()) {
    above += (x - meanX) * ((memory[at] ?? 0) - meanY)
    below += (x - meanX) ** 2
  }
  return below === 0 ? 0 : above / below
}

/** By how much the median of the last third is above that of the first, in MiB. */
export function memoryGrowth(readings: readonly Reading[]): number {
  const third = Math.ceil(readings.length / 3)
  const memory = readings.map(({ memoryMib }) => memoryMib)
  return median(memory.slice(-third)) - median(memory.slice(0, third))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
