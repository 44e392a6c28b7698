import { NO_PRESSURE, nextPressure, type PressureCause, type PressureSample } from '../domain/pressure.ts'
import { GatewayError } from '../errors.ts'
import type { ServiceLog } from './service-log.ts'

/** Whether the process has room for new work. Who waits already, reads or asks for health is never refused. */
export type Pressure = {
  readonly shedding: boolean
  /** How late the event loop was in the last sample, in milliseconds. */
  readonly loopDelayMs: number
  /** Takes one sample; to be called about once a second. */
  note(sample: PressureSample): void
  /** Throws `overloaded` while shedding: for creates and uploads, before anything of them is done. */
  refuseNew(): void
}

/** Gives a sample about once a second to `note`; the returned function ends that. */
export type WatchPressure = (note: (sample: PressureSample) => void) => () => void

export function createPressure({ log }: { log: ServiceLog }): Pressure {
  let state = NO_PRESSURE
  let loopDelayMs = 0
  const isShedding = () => state.causes.length > 0
  return {
    get shedding() {
      return isShedding()
    },
    get loopDelayMs() {
      return loopDelayMs
    },
    note: (sample) => {
      const wasShedding = isShedding()
      state = nextPressure(state, sample)
      loopDelayMs = sample.loopDelayMs
      if (isShedding() !== wasShedding) logChange(log, state.causes, sample)
    },
    refuseNew: () => {
      if (!isShedding()) return
      const detail =
        'This gateway has more work than it can do and takes no new runs and files. Retry after the time in Retry-After.'
      throw new GatewayError({ code: 'overloaded', detail })
    },
  }
}

function logChange(log: ServiceLog, causes: readonly PressureCause[], sample: PressureSample): void {
  const { loopDelayMs, heapShare, freeDescriptors } = sample
  const details = {
    ...(causes.length > 0 ? { causes } : {}),
    loopDelayMs: Math.round(loopDelayMs),
    heapShare: Number(heapShare.toFixed(2)),
    ...(Number.isFinite(freeDescriptors) ? { freeDescriptors } : {}),
  }
  log.warn(details, causes.length > 0 ? 'shedding: new runs and uploads are refused' : 'no longer shedding')
}
