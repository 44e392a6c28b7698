import { defineConfig } from 'vitest/config'
import { drawSeed } from './test/support/seeded-random.ts'

/** Pages in a real Chromium: the one that CHROMIUM names, or else /usr/bin/chromium. */
export default defineConfig({
  test: {
    env: { TEST_SEED: drawSeed() },
    include: ['test/browser/**/*.test.ts'],
    // One browser at a time.
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
