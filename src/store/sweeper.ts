import type { StoreSettings } from './limits.ts'

export type Sweeper = {
  /** Sweeps now; a sweep that is under way is joined instead. */
  sweep(): Promise<number>
  stop(): void
}

/**
 * Runs `sweepAll` on request and every `sweepIntervalMs`, one at a time. Its timer does not keep the process
 * alive. Failures of the timer's sweeps are logged, once until the next sweep that succeeds.
 */
export function createSweeper(sweepAll: () => Promise<number>, settings: StoreSettings): Sweeper {
  let underWay: Promise<number> | undefined
  let isFailing = false

  const sweep = (): Promise<number> => {
    underWay ??= sweepAll().finally(() => {
      underWay = undefined
    })
    return underWay
  }
  const sweepUnasked = async (): Promise<void> => {
    try {
      await sweep()
      isFailing = false
    } catch (error) {
      if (!isFailing) settings.log?.warn({ err: error }, 'expired entries could not be removed')
      isFailing = true
    }
  }
  const timer = setInterval(sweepUnasked, settings.sweepIntervalMs)
  timer.unref()
  return { sweep, stop: () => clearInterval(timer) }
}
