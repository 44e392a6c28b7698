import { isFunctionName, isPackageName, isPackageVersion } from './names.ts'

/*
 * Patterns of rules. A `*` stands at the end of a name only, and in a version alone or after a dot, so that
 * matching is one comparison of prefixes: no backtracking, and no `1*` that lets `10.0` in by accident.
 *
 *   package:  `*`  `@acme/*`  `@acme/pdf-*`  `@acme/ocr`  and each of these with `@VERSION`
 *   VERSION:  `*`  `1.*`  `1.4.*`  `1.4.0`  `latest`; left out: every version
 *   function: `*`  `pdf-*`  `summarise`
 */

/** Splits `name@version`; the `@` of a scope is not a version's. */
function splitPackagePattern(pattern: string): { name: string; version: string } {
  const at = pattern.lastIndexOf('@')
  return at > 0
    ? { name: pattern.slice(0, at), version: pattern.slice(at + 1) }
    : { name: pattern, version: '*' }
}

/**
 * Whether a sound name fits a sound pattern. A `*` after `@scope/` can't reach into a deeper path, because a
 * sound name has none; after an unscoped beginning it can't stand for a scope, because scopes begin with `@`.
 */
function matchesName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

/** `1.*` is every version that goes on with a number after `1.`; a tag that looks like it is not. */
function matchesVersion(pattern: string, version: string): boolean {
  if (pattern === '*') return true
  if (!pattern.endsWith('.*')) return pattern === version
  const prefix = pattern.slice(0, -1)
  return version.startsWith(prefix) && /^[0-9]/.test(version.slice(prefix.length))
}

/**
 * Whether the rules let a caller run this package in this version, both being the very values that are sent
 * upstream. Default closed: no pattern, a malformed pattern, name or version, all say no.
 */
export function isPackageAllowed(
  patterns: readonly string[],
  packageName: string,
  packageVersion: string,
): boolean {
  if (!isPackageName(packageName) || !isPackageVersion(packageVersion)) return false
  return patterns.some((pattern) => {
    if (findPackagePatternProblem(pattern) !== undefined) return false
    const { name, version } = splitPackagePattern(pattern)
    return matchesName(name, packageName) && matchesVersion(version, packageVersion)
  })
}

/** Whether the rules let a caller run the function of this name. Default closed, as for packages. */
export function isFunctionAllowed(patterns: readonly string[], name: string): boolean {
  if (!isFunctionName(name)) return false
  return patterns.some(
    (pattern) => findFunctionPatternProblem(pattern) === undefined && matchesName(pattern, name),
  )
}

/** What is wrong with a package pattern, in words that do not repeat it; undefined if nothing is. */
export function findPackagePatternProblem(pattern: string): string | undefined {
  const { name, version } = splitPackagePattern(pattern)
  // A `*` at the end stands for some text: with a letter in its place the rest must be a sound name.
  const nameIsSound = name === '*' || isPackageName(name.replace(/\*$/, 'x'))
  if (!nameIsSound) return 'must be *, @scope/*, a package name, or one that ends in *'
  const versionIsSound =
    version === '*' || isPackageVersion(version.replace(/^([0-9]+(?:\.[0-9]+)*)\.\*$/, '$1'))
  return versionIsSound ? undefined : 'has a version that is neither *, nor like 1.*, nor an exact version'
}

/** The same for a function pattern. */
export function findFunctionPatternProblem(pattern: string): string | undefined {
  const isSound = pattern === '*' || isFunctionName(pattern.replace(/\*$/, 'x'))
  return isSound ? undefined : 'must be *, a function name, or the beginning of one followed by *'
}
