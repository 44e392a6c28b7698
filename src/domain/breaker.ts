/**
 * Whether calls may be made to something that may be down. Closed lets all through; open lets none until
 * `untilMs`; then one probe goes, and what comes of it closes or opens again.
 */
export type BreakerState =
  | { kind: 'closed'; failures: number }
  | { kind: 'open'; untilMs: number; openings: number }
  | { kind: 'probing'; untilMs: number; openings: number }

export const CLOSED: BreakerState = { kind: 'closed', failures: 0 }

/** Failures in a row that open it: enough that a few bad moments, each told to its caller, are not an outage. */
const FAILURES_TO_OPEN = 10
/** How long it stays open, doubled each time a probe fails. */
const FIRST_OPENING_MS = 1_000
const LONGEST_OPENING_MS = 15_000
/** A probe that says nothing for so long is given up on; another may go. */
const PROBE_MS = 60_000

/** Asks for leave to call: the state after asking, and how long to wait when there is none. */
export function admitCall(state: BreakerState, nowMs: number): { state: BreakerState; waitMs: number } {
  if (state.kind === 'closed') return { state, waitMs: 0 }
  if (nowMs < state.untilMs) {
    return { state, waitMs: state.kind === 'probing' ? FIRST_OPENING_MS : state.untilMs - nowMs }
  }
  return { state: { kind: 'probing', untilMs: nowMs + PROBE_MS, openings: state.openings }, waitMs: 0 }
}

/** How long a call would have to wait; changes nothing. */
export function waitOf(state: BreakerState, nowMs: number): number {
  return admitCall(state, nowMs).waitMs
}

/** A call was answered, well or ill: whoever answers is up. */
export function noteAnswer(): BreakerState {
  return CLOSED
}

/** A call found the other side down. `random` is from 0 to 1. */
export function noteFailure(state: BreakerState, nowMs: number, random: number): BreakerState {
  if (state.kind === 'open') return state
  if (state.kind === 'closed' && state.failures + 1 < FAILURES_TO_OPEN) {
    return { kind: 'closed', failures: state.failures + 1 }
  }
  const openings = state.kind === 'probing' ? state.openings + 1 : 1
  const openingMs = Math.min(FIRST_OPENING_MS * 2 ** (openings - 1), LONGEST_OPENING_MS)
  return { kind: 'open', untilMs: nowMs + openingMs * (1 + 0.2 * random), openings }
}
