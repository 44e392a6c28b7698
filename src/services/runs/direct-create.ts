import {
  type CreateParts,
  type CreateRequest,
  CreateRequestError,
  toCreateRequest,
} from '../../domain/create-request.ts'
import { GatewayError } from '../../errors.ts'

/** The create of a block that the caller names itself, in a body or in arguments. Throws `invalid_request`. */
export function toDirectCreate(parts: Omit<CreateParts, 'functionName' | 'inputProblems'>): CreateRequest {
  try {
    return toCreateRequest(parts)
  } catch (error) {
    if (!(error instanceof CreateRequestError)) throw error
    const detail = 'Invalid body.'
    throw new GatewayError({ code: 'invalid_request', detail, errors: error.issues })
  }
}
