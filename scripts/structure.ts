import { readdirSync, readFileSync } from 'node:fs'
import { checkStructure } from './structure/rules.ts'

/*
 * Checks what the linter does not see: circles, layers and rooms, lengths, names, exports. Prints every violation with its
 * file and its rule, and ends with 1 when one of them is more than a warning.
 */

const FOLDERS = ['src', 'scripts', 'bench', 'test']

const paths = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
)
const violations = checkStructure(new Map(paths.map((path) => [path, readFileSync(path, 'utf8')])))

for (const { rule, file, message, warning } of violations) {
  console.log(`${warning ? 'warning' : 'error'} ${rule} ${file}: ${message}`)
}
const errors = violations.filter(({ warning }) => !warning).length
console.log(`structure: ${paths.length} files, ${errors} errors, ${violations.length - errors} warnings`)
process.exitCode = errors === 0 ? 0 : 1
