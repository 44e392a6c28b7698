import { randomInt } from 'node:crypto'

/**
 * The seed of a run of tests: TEST_SEED, or else a new one. It is printed, so that a run that failed can be
 * repeated. The vitest configs call this once and hand the seed to every worker.
 */
export function drawSeed(): string {
  const seed = process.env.TEST_SEED ?? String(randomInt(2 ** 32))
  process.stderr.write(`TEST_SEED=${seed}\n`)
  return seed
}

/** Numbers from 0 to 1 (exclusive) out of the seed of the run; each name has a sequence of its own. */
export function createSeededRandom(name: string): () => number {
  let state = Number(process.env.TEST_SEED ?? 0)
  for (const character of name) state = Math.imul(state, 31) + character.charCodeAt(0)
  return createRandom(state)
}

/** `length` bytes out of such numbers. */
export function randomBytesOf(random: () => number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += 1) bytes[at] = random() * 256
  return bytes
}

/** Numbers out of a fixed seed, the same on every machine (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
