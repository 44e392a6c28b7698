import type { CreateRequest } from '../../domain/create-request.ts'
import { findInputProblems, type InputProblem } from '../../domain/input-check.ts'
import { JsonError, parseJsonObject } from '../../domain/json.ts'
import type { RequestContext } from '../callers/request-context.ts'
import type { PackageCache } from './package-cache.ts'

/** Tells what is wrong with the inputs of a plain create, with paths into its body. */
export type ValidateDirectInputs = (
  context: RequestContext,
  request: CreateRequest,
) => Promise<InputProblem[]>

const NO_INPUTS = Buffer.from('{}')
const INPUTS_PATH = '/inputValues'
const NOTHING: ReadonlySet<string> = new Set()

/**
 * Checks the inputs of plain creates against their blocks, for `VALIDATE_INPUTS=on`. While the registry is
 * away, or does not know the block, everything passes.
 */
export function createInputValidation(packageInfo: PackageCache): ValidateDirectInputs {
  return async ({ caller }, request) => {
    const found = await packageInfo.find(caller, request)
    const block = found?.blocks.get(request.blockName)
    if (block === undefined) return []
    try {
      const inputs = parseJsonObject(request.inputValues ?? NO_INPUTS)
      const problems = findInputProblems(block, inputs, NOTHING)
      return problems.map(({ path, message }) => ({ path: INPUTS_PATH + path, message }))
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      // The body around it was read: what is left is a name that stands twice, or far too many.
      return [{ path: INPUTS_PATH, message: 'names an input twice, or has too many' }]
    }
  }
}
