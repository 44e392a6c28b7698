import type { Environment } from './settings.ts'
import type { Parsed } from './values.ts'

const REFERENCE = /\$?\$\{([^}]*)(\}?)/g
const ENV_NAME = /^[A-Z_][A-Z0-9_]{0,127}$/

/** The variables a file names, found in its bare text so that no fault elsewhere in it hides one. */
export function findReferences(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(REFERENCE)].map((match) => match[1] ?? ''))
}

/**
 * Replaces each `${NAME}` with that variable's value, which is not looked into any further; `$${` stands for
 * the characters `${`. Names are in capitals, so that a secret that was put between the braces is not taken,
 * and then printed, as a name.
 */
export function replaceReferences(text: string, env: Environment): Parsed<string> {
  const problems: string[] = []
  const value = text.replace(REFERENCE, (whole, name: string, end: string) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    if (end === '' || !ENV_NAME.test(name)) {
      problems.push('has ${ without a variable name in capitals and a brace after it ($${ stands for ${)')
      return ''
    }
    const found = env[name] ?? ''
    if (found === '') problems.push(`takes ${name} from the environment, where it is missing or empty`)
    return found
  })
  return problems.length > 0 ? { problems } : { value }
}
