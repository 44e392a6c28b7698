import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need a Chromium: npm run test:browser.
    exclude: ['test/browser/**'],
    // Real sockets and real processes: two files at a time on two cores, and a deadline for each test.
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // A rejection nobody handled fails the run, whichever test caused it.
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
