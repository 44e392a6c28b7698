import { toFailure } from '../errors.ts'
import type { CallContext, Upstream } from './upstream.ts'

/** What is told of a call upstream: `outcome` is `success`, `abandoned` or the code of the failure. */
export type ObserveUpstream = (observation: { operation: string; outcome: string; seconds: number }) => void

/** The same upstream, telling of every call when it is over. `now` is in milliseconds. */
export function observeUpstream(upstream: Upstream, observe: ObserveUpstream, now: () => number): Upstream {
  return {
    call: async (context, call) => {
      const startedMs = now()
      let outcome = 'success'
      try {
        return await upstream.call(context, call)
      } catch (error) {
        outcome = toOutcome(error, context)
        throw error
      } finally {
        observe({ operation: call.operation, outcome, seconds: (now() - startedMs) / 1000 })
      }
    },
  }
}

/** A call that nobody waits for any more was given up by us: no fault of upstream's. */
function toOutcome(error: unknown, context: CallContext): string {
  if (context.signal?.aborted) return 'abandoned'
  return toFailure(error).code
}
