import { defineConfig } from 'vitest/config'
import { drawSeed } from './test/support/seeded-random.ts'

export default defineConfig({
  test: {
    env: { TEST_SEED: drawSeed() },
    globalSetup: 'test/support/build-once.ts',
    include: ['test/**/*.test.ts'],
    // They need a Chromium: npm run test:browser.
    exclude: ['test/browser/**'],
    // Real sockets and real processes, some of them measured: more files at a time starve each other on two cores.
    maxWorkers: 2,
    // No file changes what another one imports: loading it again for each would be half of the work.
    isolate: false,
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // An unhandled rejection fails the run, whichever test caused it.
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
