import type { CreateRequest } from '../../domain/create-request.ts'
import { findInputIssues } from '../../domain/input-check.ts'
import type { Issue } from '../../domain/issue.ts'
import { JsonError, parseJsonObject } from '../../domain/json.ts'
import { GatewayError } from '../../errors.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { PackageCache } from './package-cache.ts'

/** What is wrong with the inputs of a direct create (one that names its package), with paths into its body. */
export type ValidateDirectInputs = (context: RequestContext, request: CreateRequest) => Promise<Issue[]>

const NO_INPUTS = Buffer.from('{}')
const INPUTS_PATH = '/inputValues'
const NOTHING: ReadonlySet<string> = new Set()

/**
 * Checks the inputs of direct creates against their blocks, for `VALIDATE_INPUTS=on`. While the registry is
 * unavailable, or when it does not know the block, all inputs pass.
 */
export function createInputValidation(packageCache: PackageCache): ValidateDirectInputs {
  return async ({ caller }, request) => {
    const found = await packageCache.find(caller, request)
    const block = found?.blocks.get(request.blockName)
    if (block === undefined) return []
    try {
      const inputs = parseJsonObject(request.inputValues ?? NO_INPUTS)
      const issues = findInputIssues(block, inputs, NOTHING)
      return issues.map(({ path, message }) => ({ path: INPUTS_PATH + path, message }))
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      // The body was parsed before, so only a repeated name or too many names are left.
      return [{ path: INPUTS_PATH, message: 'names an input twice, or has too many' }]
    }
  }
}

/** The error of a run whose inputs don't fit its block: `invalid_request`, with what is wrong with each. */
export function invalidInputs(errors: readonly Issue[]): GatewayError {
  const detail = 'Change the inputs that errors lists: they do not fit the block.'
  return new GatewayError({ code: 'invalid_request', detail, errors })
}
