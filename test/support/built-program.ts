import { join } from 'node:path'
import { inject } from 'vitest'

/** The built form of a TypeScript file of the repository, `src/main.ts` say, to be started with plain Node. */
export function builtProgram(file: string): string {
  return join(inject('built'), file.replace(/\.ts$/, '.js'))
}
