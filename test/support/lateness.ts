/** How often the machine is asked whether it keeps up, in milliseconds. */
const BEAT_MS = 20

/**
 * Watches how late timers fire in this process. What a test says of delays holds for a machine that keeps up;
 * on a busy one they may be longer by what it was late itself.
 */
export function watchLateness(): { worstMs(): number; stop(): void } {
  let last = performance.now()
  let worst = 0
  const beat = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - last - BEAT_MS)
    last = now
  }, BEAT_MS)
  return { worstMs: () => worst, stop: () => clearInterval(beat) }
}
