import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder with everything that tests start as a process of its own, built: see built-program.ts. */
    built: string
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Builds once a run what tests start as processes: on a busy machine compiling at each start takes longer than
 * most tests. The same compiler and settings as `npm run build`, with the tests' own programs beside src/.
 */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'oomol-built-'))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'test/tsconfig.build.json', '--outDir', folder], { cwd: ROOT })
  for (const name of ['node_modules', 'package.json', 'README.md'])
    symlinkSync(join(ROOT, name), join(folder, name))
  project.provide('built', folder)
  return () => rmSync(folder, { recursive: true, force: true })
}
