import { toFailure } from '../errors.ts'
import type { CallContext, Upstream } from './upstream.ts'

/** Gets every finished call: `outcome` is `success`, `abandoned` or the code of the failure. */
export type ObserveUpstream = (observation: { operation: string; outcome: string; seconds: number }) => void

/** The same upstream, with every call observed when it has finished. `monotonicNow` is in milliseconds. */
export function observeUpstream(
  upstream: Upstream,
  observe: ObserveUpstream,
  monotonicNow: () => number,
): Upstream {
  return {
    call: async (context, call) => {
      const startedMs = monotonicNow()
      let outcome = 'success'
      try {
        return await upstream.call(context, call)
      } catch (error) {
        outcome = toOutcome(error, context)
        throw error
      } finally {
        observe({ operation: call.operation, outcome, seconds: (monotonicNow() - startedMs) / 1000 })
      }
    },
  }
}

/** A call that was aborted because no request waits for it any more is not a failure of upstream. */
function toOutcome(error: unknown, context: CallContext): string {
  if (context.signal?.aborted) return 'abandoned'
  return toFailure(error).code
}
