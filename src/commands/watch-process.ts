import { readdir, stat } from 'node:fs/promises'
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { WatchPressure } from '../services/pressure.ts'

type WatchOptions = {
  /** How many files the process may have open; undefined: not known. */
  descriptorLimit: number | undefined
  /** Milliseconds between two samples. Default one second. */
  intervalMs?: number
}

const INTERVAL_MS = 1_000
/** In milliseconds: how finely the delay of the loop is measured. */
const RESOLUTION_MS = 20

/** What a full collection left counts for this long. A heap that is short is collected far more often. */
const COLLECTION_MS = 10_000

/** Samples this process. */
export function createProcessWatch({
  descriptorLimit,
  intervalMs = INTERVAL_MS,
}: WatchOptions): WatchPressure {
  return (note) => {
    const loop = watchLoop(intervalMs)
    const heap = watchHeap()
    let isSampling = false
    const timer = setInterval(async () => {
      if (isSampling) return
      isSampling = true
      const loopDelayMs = loop.delayMs()
      const freeDescriptors = await countFree(descriptorLimit)
      isSampling = false
      note({ loopDelayMs, heapShare: heap.share(), freeDescriptors })
    }, intervalMs)
    timer.unref()
    return () => {
      clearInterval(timer)
      loop.stop()
      heap.stop()
    }
  }
}

/**
 * How late the event loop was on average since it was last asked. The histogram is never reset: each reset would
 * lose the time to its next tick, and with it the worst delays.
 */
function watchLoop(intervalMs: number): { delayMs(): number; stop(): void } {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let [ticks, sumMs, askedAtMs] = [0, 0, performance.now()]
  return {
    delayMs: () => {
      const before = { ticks, sumMs, askedAtMs }
      ticks = histogram.count
      sumMs = ticks === 0 ? 0 : (histogram.mean * ticks) / 1e6
      askedAtMs = performance.now()
      // Blocked for so long that only this very sample came through.
      if (ticks === before.ticks) return Math.max(0, askedAtMs - before.askedAtMs - intervalMs)
      // From one tick of its timer to the next, which is the resolution when nothing is late.
      return Math.max(0, (sumMs - before.sumMs) / (ticks - before.ticks) - RESOLUTION_MS)
    },
    stop: () => histogram.disable(),
  }
}

/**
 * The share of the heap that was in use after the last full collection: what is used at any other moment is
 * mostly garbage that nobody needed to collect yet. Without a recent one the heap is not short.
 */
function watchHeap(): { share(): number; stop(): void } {
  let share = 0
  let collectedAtMs = Number.NEGATIVE_INFINITY
  const observer = new PerformanceObserver((list) => {
    const isFull = list.getEntries().some(isFullCollection)
    if (!isFull) return
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    share = used / limit
    collectedAtMs = performance.now()
  })
  observer.observe({ entryTypes: ['gc'] })
  return {
    share: () => (performance.now() - collectedAtMs > COLLECTION_MS ? 0 : share),
    stop: () => observer.disconnect(),
  }
}

function isFullCollection(entry: object): boolean {
  // The types of Node 20 do not have the details of a collection.
  return (entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}

/** Infinite where it can't be known; none when not even the count can be opened. */
async function countFree(limit: number | undefined): Promise<number> {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  try {
    // Newer kernels say the number as the size of the folder, which needs no descriptor and no list.
    const { size } = await stat('/proc/self/fd')
    return limit - (size > 0 ? size : (await readdir('/proc/self/fd')).length)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EMFILE' ? 0 : Number.POSITIVE_INFINITY
  }
}
