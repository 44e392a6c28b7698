import { isFunctionName, isPackageName, isPackageVersion } from './names.ts'

/*
 * Patterns of rules. A `*` is allowed only at the end of a name, and in a version alone or after a dot. So
 * matching is a comparison of prefixes without backtracking, and no `1*` allows `10.0` by accident.
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
 * Whether a valid name matches a valid pattern. A `*` after `@scope/` can't match a deeper path, because a
 * valid name has none; after an unscoped prefix it can't match a scope, because scopes begin with `@`.
 */
function matchesName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

/** `1.*` matches every version with a number after `1.`; it does not match a tag such as `1.x`. */
function matchesVersion(pattern: string, version: string): boolean {
  if (pattern === '*') return true
  if (!pattern.endsWith('.*')) return pattern === version
  const prefix = pattern.slice(0, -1)
  return version.startsWith(prefix) && /^[0-9]/.test(version.slice(prefix.length))
}

/**
 * Whether the rules let a caller run this package in this version; pass the very values that are sent upstream.
 * Closed by default: without a pattern, or with a malformed pattern, name or version, the answer is no.
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

/** Whether the rules let a caller run the function of this name. Closed by default, as for packages. */
export function isFunctionAllowed(patterns: readonly string[], name: string): boolean {
  if (!isFunctionName(name)) return false
  return patterns.some(
    (pattern) => findFunctionPatternProblem(pattern) === undefined && matchesName(pattern, name),
  )
}

/** What is wrong with a package pattern, without repeating it; undefined if it is valid. */
export function findPackagePatternProblem(pattern: string): string | undefined {
  const { name, version } = splitPackagePattern(pattern)
  // With a letter in place of the final `*`, the pattern must be a valid name.
  const isValidName = name === '*' || isPackageName(name.replace(/\*$/, 'x'))
  if (!isValidName) return 'must be *, @scope/*, a package name, or one that ends in *'
  const isValidVersion =
    version === '*' || isPackageVersion(version.replace(/^([0-9]+(?:\.[0-9]+)*)\.\*$/, '$1'))
  return isValidVersion ? undefined : 'has a version that is neither *, nor like 1.*, nor an exact version'
}

/** The same for a function pattern. */
export function findFunctionPatternProblem(pattern: string): string | undefined {
  const isValid = pattern === '*' || isFunctionName(pattern.replace(/\*$/, 'x'))
  return isValid ? undefined : 'must be *, a function name, or the beginning of one followed by *'
}
