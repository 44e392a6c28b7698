import { defineConfig } from 'vitest/config'
import { drawSeed } from './test/support/seeded-random.ts'

export default defineConfig({
  test: {
    env: { TEST_SEED: drawSeed() },
    globalSetup: 'test/support/build-once.ts',
    include: ['test/**/*.test.ts'],
    // They need a Chromium: npm run test:browser.
    exclude: ['test/browser/**'],
    // Real sockets and real processes: most of the time is waiting, so four files at a time fit on two cores.
    maxWorkers: 4,
    // No file changes what another one imports: loading it again for each would be half of the work.
    isolate: false,
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // An unhandled rejection fails the run, whichever test caused it.
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
