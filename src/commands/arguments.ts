import { UsageError } from './command.ts'

/** A value may be there (`--check=upstream`): one of these words. */
type OptionKind = 'flag' | readonly string[]

/** The options that were given: true without a value, else the value. */
type Options<Name extends string> = { readonly [key in Name]?: true | string }

/** Longer words are cut in messages. */
const MAX_SHOWN_CHARACTERS = 60

/**
 * Reads `--name` and `--name=value`. Throws `UsageError` for everything that is not known; of an unknown
 * `--name=value` it names the name alone, because the value may be a secret.
 */
export function readOptions<Name extends string>(
  args: readonly string[],
  known: Readonly<Record<Name, OptionKind>>,
): Options<Name> {
  const options: { [key in Name]?: true | string } = {}
  for (const arg of args) {
    const [, name = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? []
    if (!isKnown(known, name)) throw new UsageError(`unknown argument ${show(arg.replace(/=.*/s, ''))}`)
    const kind = known[name]
    if (value === undefined) options[name] = true
    else if (kind === 'flag') throw new UsageError(`--${name} takes no value`)
    else if (kind.includes(value)) options[name] = value
    else throw new UsageError(`--${name} takes no value but ${kind.join(', ')}`)
  }
  return options
}

function isKnown<Name extends string>(known: Readonly<Record<Name, unknown>>, name: string): name is Name {
  return Object.hasOwn(known, name)
}

/** A word of the command line as it may be printed: no control characters, not too long. */
function show(word: string): string {
  const text = JSON.stringify(word).slice(1, -1)
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text
}
