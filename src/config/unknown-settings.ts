import type { Report } from './config-error.ts'
import { type Environment, SETTINGS } from './settings.ts'

/** Only names with our prefixes are checked; the environment also has the variables of other programs. */
const OURS = /^(?:OOMOL|GATEWAY)_/
/** With more than three letters changed, or more than a third of them, it is another word. */
const MAX_EDITS = 3

/**
 * Reports variables with our prefixes that are not settings: a misspelt one would silently have its default.
 * `referenced` are names that the file takes from the environment, whatever they begin with.
 */
export function reportUnknownSettings(env: Environment, referenced: ReadonlySet<string>, report: Report) {
  for (const [name, value] of Object.entries(env)) {
    if (!OURS.test(name) || value === undefined || value === '') continue
    if (Object.hasOwn(SETTINGS, name) || referenced.has(name) || isServiceLink(name, value)) continue
    const guess = closestMatch(name, Object.keys(SETTINGS))
    report(name, guess === undefined ? 'is not a setting' : `is not a setting; did you mean ${guess}?`)
  }
}

/**
 * Kubernetes sets these in every pod beside a service called `gateway` or `oomol-…`:
 * https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
 */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(?:HOST|PORT|PORT_[A-Z0-9_]+)$/.test(name)) return true
  if (/_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name)) return true
  return name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value)
}

/** The candidate with the fewest edits from the text; undefined if even those are many. */
export function closestMatch(text: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: levenshtein(text.slice(0, 100), candidate) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  if (best === undefined) return undefined
  return best.edits <= Math.min(MAX_EDITS, Math.ceil(best.candidate.length / 3)) ? best.candidate : undefined
}

/** Levenshtein distance, row by row. */
function levenshtein(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
