import type { Environment } from './settings.ts'
import type { Parsed } from './values.ts'

const REFERENCE = /\$?\$\{([^}]*)(\}?)/g
const ENV_NAME = /^[A-Z_][A-Z0-9_]{0,127}$/

/** The variables that a file names, found in its plain text so that a fault elsewhere in it hides none. */
export function findReferences(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(REFERENCE)].map((match) => match[1] ?? ''))
}

/**
 * Replaces each `${NAME}` with the value of that variable, in which nothing is replaced; `$${` means the
 * characters `${`. Names are in capitals, so that a secret between the braces is not mistaken for a name and
 * then printed.
 */
export function replaceReferences(text: string, env: Environment): Parsed<string> {
  const problems: string[] = []
  const value = text.replace(REFERENCE, (whole, name: string, end: string) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    if (end === '' || !ENV_NAME.test(name)) {
      problems.push('has ${ without a variable name in capitals and a brace after it ($${ means ${)')
      return ''
    }
    const found = env[name] ?? ''
    if (found === '') problems.push(`takes ${name} from the environment, where it is missing or empty`)
    return found
  })
  return problems.length > 0 ? { problems } : { value }
}
