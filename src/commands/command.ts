import type { Environment } from '../config/settings.ts'

/** Exit codes as `sysexits.h` has them. */
export const EXIT_OK = 0
/** EX_USAGE: an argument is wrong. */
export const EXIT_USAGE = 64
/** EX_UNAVAILABLE: something that was needed could not be reached. */
export const EXIT_UNAVAILABLE = 69
/** EX_CONFIG: a setting is wrong; starting again does not help. */
export const EXIT_CONFIG = 78

/** What a subcommand works with: no command writes or reads anywhere else by itself. */
export type CommandContext = {
  /** What stands after the command's name; `arguments.ts` reads them. */
  args: readonly string[]
  env: Environment
  /** Writes a line for whoever reads the result, or a program behind a pipe. */
  print(line: string): void
  /** Writes a line about what went wrong. */
  complain(line: string): void
}

/** Does what a subcommand is for and gives the exit code. Throws `UsageError`. */
export type RunCommand = (context: CommandContext) => Promise<number>

/** An argument is wrong. The message names it and is for the operator. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
