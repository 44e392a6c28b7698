import type { Issue } from '../../domain/issue.ts'

/** Bounds of what an answer says of a wrong request, which may be wrong in a million places. */
const MAX_ISSUES = 20
const MAX_PATH_LENGTH = 200

/** One error of a validator's. */
type Finding = { keyword: string; instancePath: string; message?: string | undefined }

/** What a validator found, fit for an answer: names as the caller wrote them, but no values. */
export function toIssues(errors: Iterable<Finding>): Issue[] {
  const issues: Issue[] = []
  for (const { keyword, instancePath, message = 'is not as documented' } of errors) {
    if (issues.length === MAX_ISSUES) break
    // Each name too many has an entry of its own.
    if (keyword === 'additionalProperties') continue
    const text = keyword === 'boolean' ? 'is no name that is known here' : message
    issues.push({ path: instancePath.slice(0, MAX_PATH_LENGTH), message: text })
  }
  return issues
}
