import type { RunCommand } from './command.ts'

/** Something the program does besides being a gateway. */
export type Subcommand = {
  /** One word or more: `token`, `store copy`. */
  name: string
  /** What follows the name in the help. */
  usage: string
  /** One line. */
  summary: string
  /** Loaded when asked for, so that no command waits for the libraries of another one. */
  load(): Promise<RunCommand>
}

/** Every subcommand, in the order of the help. A new one is a file of its own and a row here. */
export const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'token',
    usage: '',
    summary: 'print a new gateway token and its tokenSha256',
    load: async () => (await import('./token.ts')).token,
  },
]

/** The subcommand that the arguments begin with, and what follows its name. */
export function findSubcommand(
  args: readonly string[],
): { subcommand: Subcommand; rest: readonly string[] } | undefined {
  for (const subcommand of SUBCOMMANDS) {
    const words = subcommand.name.split(' ')
    if (words.every((word, at) => args[at] === word)) return { subcommand, rest: args.slice(words.length) }
  }
  return undefined
}
