import { benchReads } from './reads.ts'
import { benchRuns } from './runs.ts'
import { benchUploads } from './uploads.ts'

/** What can be measured; each prints ratios and cleans up after itself. */
const BENCHES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  reads: benchReads,
  runs: benchRuns,
  uploads: benchUploads,
}

const [name = '', ...args] = process.argv.slice(2)
const bench = BENCHES[name]
if (bench === undefined) {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${Object.keys(BENCHES).join(', ')}`)
  process.exitCode = 2
} else await bench(args)
