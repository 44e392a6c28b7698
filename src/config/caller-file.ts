import type { CallerConfig } from '../domain/caller.ts'
import type { FunctionConfig } from '../domain/named-function.ts'
import { readCallers } from './caller-entries.ts'
import { readFunctions } from './function-entries.ts'
import type { Environment } from './settings.ts'
import type { TokenPair } from './tokens.ts'
import { YamlReader } from './yaml-reader.ts'

/** The contents of the file that `GATEWAY_CONFIG` names. */
export type CallerFile = {
  readonly callers: readonly CallerConfig[]
  readonly functions: readonly FunctionConfig[]
}

/** What the file is checked against, beside itself. */
export type CallerFileContext = {
  readonly env: Environment
  /** Callers of `GATEWAY_TOKENS`: their ids and tokens are taken. */
  readonly tokenPairs: readonly TokenPair[]
  /** The longest `wait` of a function, in milliseconds; undefined if `RUN_MAX_WAIT` itself is wrong. */
  readonly maxWaitMs: number | undefined
}

/**
 * Reads the YAML text as a whole. `report` gets every problem, beginning with its line and its path; none
 * repeats the text. If there were problems, the result is incomplete and must not be used.
 */
export function readCallerFile(
  text: string,
  context: CallerFileContext,
  report: (message: string) => void,
): CallerFile {
  const reader = new YamlReader(text, context.env, report)
  const fields = reader.root && reader.toFields(reader.root, ['callers', 'functions'])
  const { functions, names } = readFunctions(reader, fields?.functions, context.maxWaitMs)
  const callers = readCallers(reader, fields?.callers, {
    ids: new Set(context.tokenPairs.map(({ id }) => id)),
    tokenHashes: new Set(context.tokenPairs.map(({ hash }) => hash.toString('hex'))),
    functionNames: names,
  })
  return { callers, functions }
}
