/**
 * Closed lets all calls through; open lets none through until `untilMs`; then one probe goes, and its outcome
 * closes or opens again.
 */
type BreakerState =
  | { kind: 'closed'; failures: number }
  | { kind: 'open'; untilMs: number; openings: number }
  | { kind: 'probing'; untilMs: number; openings: number }

const CLOSED: BreakerState = { kind: 'closed', failures: 0 }

/** Failures in a row that open it: enough that a few bad moments, each reported to its caller, are not an outage. */
const FAILURES_TO_OPEN = 10
/**
 * How long it stays open, doubled each time a probe fails. Calls work within 10 s after the other side does: a probe
 * that was sent too early and hangs, its late failure that opens once more (a fifth longer than this at most), and a
 * second of rounding in `Retry-After` have room in that.
 */
const FIRST_OPENING_MS = 1_000
const LONGEST_OPENING_MS = 4_000
/** A probe without an outcome is given up after this time; another may go. */
const PROBE_MS = 4_000

/** A circuit breaker: whether calls may be made to something that may be down. Time is passed in, by a clock that is never set. */
export class Breaker {
  #state: BreakerState = CLOSED

  /** How long a call would have to wait, in milliseconds; 0 when it may be made now. Changes nothing. */
  waitMs(nowMs: number): number {
    const state = this.#state
    if (state.kind === 'closed' || nowMs >= state.untilMs) return 0
    return state.kind === 'probing' ? FIRST_OPENING_MS : state.untilMs - nowMs
  }

  /** Asks to make a call: 0 when it may be made, and its outcome is noted then; else the wait in milliseconds. */
  request(nowMs: number): number {
    const waitMs = this.waitMs(nowMs)
    if (waitMs === 0 && this.#state.kind !== 'closed') {
      this.#state = { kind: 'probing', untilMs: nowMs + PROBE_MS, openings: this.#state.openings }
    }
    return waitMs
  }

  /** A call that was let through was not made after all: if it was the probe, another may go at once. */
  noteNothing(nowMs: number): void {
    if (this.#state.kind === 'probing') this.#state = { ...this.#state, kind: 'open', untilMs: nowMs }
  }

  /** A call was answered, well or badly: the other side is up. */
  noteAnswer(): void {
    this.#state = CLOSED
  }

  /** A call found the other side down. `random` is from 0 to 1. */
  noteFailure(nowMs: number, random: number): void {
    const state = this.#state
    // A call that was under way when it opened.
    if (state.kind === 'open') return
    if (state.kind === 'closed' && state.failures + 1 < FAILURES_TO_OPEN) {
      this.#state = { kind: 'closed', failures: state.failures + 1 }
      return
    }
    const openings = state.kind === 'probing' ? state.openings + 1 : 1
    const openingMs = Math.min(FIRST_OPENING_MS * 2 ** (openings - 1), LONGEST_OPENING_MS)
    this.#state = { kind: 'open', untilMs: nowMs + openingMs * (1 + 0.2 * random), openings }
  }
}
