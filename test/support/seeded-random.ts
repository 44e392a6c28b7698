import { randomInt } from 'node:crypto'

/**
 * Numbers from 0 to 1 (exclusive) out of a seed. The seed is new each time and printed, so that a run that
 * failed can be repeated with `TEST_SEED=…`.
 */
export function createSeededRandom(name: string): () => number {
  const seed = Number(process.env.TEST_SEED ?? randomInt(2 ** 32))
  console.log(`${name}: TEST_SEED=${seed}`)
  return fromSeed(seed)
}

/** `length` bytes out of such numbers. */
export function randomBytesOf(random: () => number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += 1) bytes[at] = random() * 256
  return bytes
}

/** mulberry32: good enough for tests, and the same on every machine. */
function fromSeed(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
