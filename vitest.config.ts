import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need a Chromium: npm run test:browser.
    exclude: ['test/browser/**'],
    // Real sockets and real processes: most of the time is waiting, so four files at a time fit on two cores.
    maxWorkers: 4,
    // No file changes what another one imports: loading it anew for each would be half of the work.
    isolate: false,
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // A rejection nobody handled fails the run, whichever test caused it.
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
