import type { UpstreamSide } from './sides.ts'

const BEFORE = 'before-processing'
const AFTER = 'before-answer'

/** What upstream does wrong. Each strikes a few requests and is over; a hanging create would last a minute. */
const FAULTS: readonly [string, object][] = [
  ['create', { kind: 'reset', when: BEFORE }],
  ['create', { kind: 'reset', when: AFTER }],
  ['create', { kind: 'reset', when: 'mid-answer' }],
  ['create', { kind: 'no-answer-close', when: BEFORE }],
  ['create', { kind: 'no-answer-close', when: AFTER }],
  ['create', { kind: 'delay', ms: 1_500, when: BEFORE }],
  ['create', { kind: 'delay', ms: 1_500, when: AFTER }],
  ['create', { kind: 'status', status: 503, headers: { 'retry-after': '1' } }],
  ['create', { kind: 'status', status: 429, headers: { 'retry-after': '1' } }],
  ['create', { kind: 'html', status: 502 }],
  ['create', { kind: 'truncated-json' }],
  ['result', { kind: 'reset', when: BEFORE }],
  ['result', { kind: 'no-answer-close' }],
  ['result', { kind: 'status', status: 503, headers: { 'retry-after': '0' } }],
  ['result', { kind: 'delay', ms: 2_000 }],
  ['result', { kind: 'gzip' }],
  ['result', { kind: 'unknown-status', status: 'resting' }],
  ['list', { kind: 'reset', when: 'mid-answer' }],
  ['list', { kind: 'status', status: 500 }],
  ['list', { kind: 'delay', ms: 1_000 }],
  ['list', { kind: 'huge', bytes: 12_000_000 }],
  ['dashboard', { kind: 'html' }],
  ['package-info', { kind: 'invalid-json' }],
  ['upload-init', { kind: 'status', status: 503 }],
  ['upload-url', { kind: 'truncated-json' }],
  ['part', { kind: 'reset', when: BEFORE }],
  ['part', { kind: 'early-answer', status: 503 }],
]

/** Lets upstream misbehave, two times a second, until it is told to stop. */
export async function misbehave(
  upstream: UpstreamSide,
  random: () => number,
  isStopped: () => boolean,
): Promise<void> {
  while (!isStopped()) {
    const [operation, fault] = FAULTS[Math.floor(FAULTS.length * random())] ?? ['result', { kind: 'gzip' }]
    await upstream.misbehave(operation, fault, 1 + Math.floor(3 * random()))
    await new Promise((resolve) => setTimeout(resolve, 1_000 * random()))
  }
}
