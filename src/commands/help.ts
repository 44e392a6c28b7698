import { SUBCOMMANDS, type Subcommand } from './subcommands.ts'

const OPTIONS: readonly (readonly [option: string, summary: string])[] = [
  ['--check', 'check the environment and the YAML file, and end: 0, or 78 with every problem'],
  ['--check=upstream', 'the same, and one call upstream with the key: 69 when it fails'],
  ['--accept-store', 'start with a store whose count of entries is not what it should be'],
  ['--help', 'print this; after a subcommand, what that one takes'],
  ['--version', 'print the version'],
]

/** What `--help` prints. */
export function formatHelp(): string {
  const subcommands = SUBCOMMANDS.map(({ name, usage, summary }) => [join(name, usage), summary] as const)
  return [
    'Usage: oomol-gateway [--accept-store]         start the gateway; its settings are environment variables',
    '       oomol-gateway --check[=upstream]',
    '       oomol-gateway SUBCOMMAND',
    '',
    'Options:',
    ...toTable(OPTIONS),
    '',
    'Subcommands:',
    ...toTable(subcommands),
    '',
    'Exit codes: 0 done, 1 failed, 64 a wrong argument, 69 upstream failed, 78 a wrong setting.',
  ].join('\n')
}

/** What `--help` prints after a subcommand. */
export function formatSubcommandHelp({ name, usage, summary }: Subcommand): string {
  return `Usage: ${join('oomol-gateway', name, usage)}\n\n${summary}`
}

function join(...words: readonly string[]): string {
  return words.filter((word) => word !== '').join(' ')
}

function toTable(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`)
}
