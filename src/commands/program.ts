import { readFileSync } from 'node:fs'
import type { Environment } from '../config/settings.ts'
import { readOptions } from './arguments.ts'
import { type CommandContext, EXIT_CONFIG, EXIT_OK, EXIT_USAGE, UsageError } from './command.ts'
import { planOrExplain } from './descriptor-limit.ts'
import type { ProcessSignals } from './signals.ts'
import { findSubcommand } from './subcommands.ts'

const OPTIONS = { help: 'flag', version: 'flag', check: ['upstream'], 'accept-store': 'flag' } as const

/**
 * Does what the command line says. Resolves with the exit code, or with undefined when the gateway has started
 * and ends by a signal.
 */
export async function runProgram(
  args: readonly string[],
  env: Environment,
  signals: ProcessSignals,
): Promise<number | undefined> {
  const context: CommandContext = {
    args,
    env,
    print: (line) => write(process.stdout, line),
    complain: (line) => write(process.stderr, line),
  }
  try {
    return await dispatch(context, signals)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    context.complain(`oomol-gateway: ${error.message}. See oomol-gateway --help.`)
    return EXIT_USAGE
  }
}

async function dispatch(context: CommandContext, signals: ProcessSignals): Promise<number | undefined> {
  const found = findSubcommand(context.args)
  if (found !== undefined) {
    const { subcommand, rest } = found
    if (rest.includes('--help')) {
      const { formatSubcommandHelp } = await import('./help.ts')
      context.print(formatSubcommandHelp(subcommand))
      return EXIT_OK
    }
    const run = await subcommand.load()
    return run({ ...context, args: rest })
  }
  const options = readOptions(context.args, OPTIONS)
  if (options.help) {
    const { formatHelp } = await import('./help.ts')
    context.print(formatHelp())
    return EXIT_OK
  }
  if (options.version) {
    context.print(readVersion())
    return EXIT_OK
  }
  if (options.check !== undefined) {
    if (options['accept-store']) throw new UsageError('--accept-store is for a start, and --check is none')
    const { check } = await import('./check.ts')
    return check(context, { upstream: options.check === 'upstream', version: readVersion() })
  }
  return start(context, signals, options['accept-store'] === true)
}

/** The gateway itself. With too few open files not even loading it works, so they are counted before. */
async function start(
  { env, complain }: CommandContext,
  signals: ProcessSignals,
  acceptStore: boolean,
): Promise<number | undefined> {
  const planned = planOrExplain()
  if ('problem' in planned) {
    complain(planned.problem)
    return EXIT_CONFIG
  }
  const { serve } = await import('./serve.ts')
  return serve({ env, complain, version: readVersion(), acceptStore, descriptors: planned.plan }, signals)
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return version
}

function write(stream: NodeJS.WriteStream, line: string): void {
  // A reader that has gone is no reason to end with a stack.
  if (stream.listenerCount('error') === 0) stream.on('error', () => {})
  stream.write(`${line}\n`)
}
