/** One thing that is wrong in a request: where (a JSON Pointer, a query name, a header name) and what. */
export type Issue = { path: string; message: string }

/** Bounds of one answer, because a body can be wrong in a million places. */
const MAX_ISSUES = 20
const MAX_PATH_LENGTH = 200

/** An error of a validator. */
type ValidatorError = { keyword: string; instancePath: string; message?: string | undefined }

/** A validator's errors as issues: with names as the caller wrote them, without values. */
export function toIssues(errors: Iterable<ValidatorError>): Issue[] {
  const issues: Issue[] = []
  for (const { keyword, instancePath, message = 'is invalid' } of errors) {
    if (issues.length === MAX_ISSUES) break
    // The schema of each additional property gives an error of its own.
    if (keyword === 'additionalProperties') continue
    const text = keyword === 'boolean' ? 'is not a known name' : message
    issues.push({ path: instancePath.slice(0, MAX_PATH_LENGTH), message: text })
  }
  return issues
}
