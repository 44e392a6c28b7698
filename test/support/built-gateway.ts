import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export type BuiltGateway = {
  /** The program that the image runs. */
  main: string
  remove(): void
}

/** Builds the gateway as for the image, into a folder of its own: it starts in half the time it takes from source. */
export function buildGateway(): BuiltGateway {
  const folder = mkdtempSync(join(tmpdir(), 'oomol-built-'))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const args = [tsc, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')]
  execFileSync(process.execPath, args, { cwd: ROOT })
  for (const name of ['node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name))
  return {
    main: join(folder, 'dist/main.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
