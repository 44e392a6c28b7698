import type { CreateRequest } from '../domain/create-request.ts'
import { findInputProblems } from '../domain/input-check.ts'
import { JsonProblem, parseJsonObject } from '../domain/json.ts'
import { GatewayError } from '../errors.ts'
import type { RequestContext } from './caller.ts'
import type { PackageInfo } from './package-info.ts'

const NO_INPUTS = Buffer.from('{}')
const NOTHING: ReadonlySet<string> = new Set()

/**
 * Checks the inputs of a plain create against its block, for `VALIDATE_INPUTS=on`. Throws `invalid_request`
 * with paths into the body. While the registry is away, or does not know the block, everything passes.
 */
export function createInputValidation(packageInfo: PackageInfo) {
  return async ({ caller }: RequestContext, request: CreateRequest): Promise<void> => {
    const found = await packageInfo.find(caller, request)
    const block = found?.blocks.get(request.blockName)
    if (block === undefined) return
    const errors = findInputProblems(block, parseInputs(request.inputValues ?? NO_INPUTS), NOTHING)
    if (errors.length === 0) return
    throw new GatewayError({
      code: 'invalid_request',
      detail: 'The inputs are not as the block takes them.',
      errors: errors.map(({ path, message }) => ({ path: `/inputValues${path}`, message })),
    })
  }
}

function parseInputs(bytes: Buffer) {
  try {
    return parseJsonObject(bytes)
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error
    // Seen only for what the whole body allows and its inputs do not: a name that stands twice.
    const errors = [{ path: '/inputValues', message: 'names an input twice' }]
    throw new GatewayError({ code: 'invalid_request', detail: error.message, errors })
  }
}
