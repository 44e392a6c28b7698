/** Bounds of the wait between two polls of one task, in milliseconds. */
const SHORTEST_WAIT_MS = 200
const LONGEST_WAIT_MS = 3_000

/** How far a wait is moved at random to either side, so that polls do not fall into step. */
const JITTER = 0.1

/**
 * How long to wait before a task of that age is polled again: a tenth of its age, so that a run is answered
 * within a tenth of its own length. `random` is from 0 to 1.
 */
export function nextPollDelayMs(ageMs: number, random: number): number {
  const wait = Math.min(Math.max(ageMs / 10, SHORTEST_WAIT_MS), LONGEST_WAIT_MS)
  return wait * (1 - JITTER + 2 * JITTER * random)
}

/** Whole seconds that a caller is advised to wait before it asks for a task of that age again. */
export function adviseRetrySeconds(ageMs: number): number {
  return Math.max(1, Math.round(nextPollDelayMs(ageMs, 0.5) / 1000))
}
