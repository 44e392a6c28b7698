import { defineConfig } from 'vitest/config'

/** Pages in a real Chromium, which CHROMIUM names or /usr/bin/chromium is. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    // One browser at a time.
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
