/** One problem of the configuration: its setting, and a message that never contains the value. */
export type ConfigProblem = { readonly setting: string; readonly message: string }

/** Records a problem; reading goes on, so that all of them are known at once. */
export type Report = (setting: string, message: string) => void

/** The configuration can't be used. Its problems may be printed: they name settings and lines, never values. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super(`The configuration has ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}.`)
    this.problems = problems
  }
}

/** The problems as lines of text for the operator, without a newline at the end. */
export function formatConfigProblems(error: ConfigError): string {
  return [error.message, ...error.problems.map(({ setting, message }) => `  ${setting}: ${message}`)].join(
    '\n',
  )
}
