/** How a process is doing, over the last second or so. */
export type PressureSample = {
  /** How late the event loop is on average, in milliseconds. */
  loopDelayMs: number
  /** The share of the heap that live objects take, from 0 to 1. */
  heapShare: number
  /** How many files may still be opened; infinite when that is not known. */
  freeDescriptors: number
}

/** What runs short. */
export type PressureCause = 'event loop' | 'heap' | 'descriptors'

type PressureState = {
  /** What runs short; empty while new work is taken. */
  readonly causes: readonly PressureCause[]
  /** How many samples in a row have asked for the other state. */
  readonly samples: number
}

export const NO_PRESSURE: PressureState = { causes: [], samples: 0 }

/** One bad second is a pause of the machine; this many in a row are load. As many good ones end it. */
const SAMPLES_TO_CHANGE = 3

type Bounds = PressureSample

/** Beyond one of these new work is refused … */
const BEGIN: Bounds = { loopDelayMs: 500, heapShare: 0.85, freeDescriptors: 24 }
/** … until all of these hold again. The gap between them keeps it from flapping. */
const END: Bounds = { loopDelayMs: 200, heapShare: 0.75, freeDescriptors: 40 }

/** The state after one more sample. */
export function nextPressure(state: PressureState, sample: PressureSample): PressureState {
  const isShedding = state.causes.length > 0
  const causes = causesOf(sample, isShedding ? END : BEGIN)
  if (isShedding === causes.length > 0) return { causes: isShedding ? causes : [], samples: 0 }
  const samples = state.samples + 1
  return samples < SAMPLES_TO_CHANGE ? { causes: state.causes, samples } : { causes, samples: 0 }
}

function causesOf(sample: PressureSample, bounds: Bounds): PressureCause[] {
  const causes: PressureCause[] = []
  if (sample.loopDelayMs > bounds.loopDelayMs) causes.push('event loop')
  if (sample.heapShare > bounds.heapShare) causes.push('heap')
  if (sample.freeDescriptors < bounds.freeDescriptors) causes.push('descriptors')
  return causes
}
