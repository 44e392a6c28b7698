import { Type } from 'typebox'
import { type CreateRequest, toCreateRequest } from '../domain/create-request.ts'
import { type JsonObject, memberBytes } from '../domain/json.ts'
import { isBlockName, isPackageName, isPackageVersion } from '../domain/names.ts'
import { GatewayError, type Issue } from '../errors.ts'
import { createBodyCheck } from './bodies.ts'

const NAMES = {
  packageName: Type.String({ description: '@acme/ocr' }),
  packageVersion: Type.String({ description: '1.4.0, or latest' }),
  blockName: Type.String(),
  inputValues: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
}

/** The body of `POST /run` and `POST /tasks`. */
export const RunBody = Type.Object(
  { type: Type.Optional(Type.Literal('serverless')), ...NAMES },
  { additionalProperties: false },
)

/** The body of the native create: upstream's own, of the one type that is documented. */
export const NativeCreateBody = Type.Object({ type: Type.Literal('serverless'), ...NAMES })

const checkRunBody = createBodyCheck(RunBody)
const checkNativeBody = createBodyCheck(NativeCreateBody)

/** A create from a simplified body: its inputs go upstream byte for byte. Throws `invalid_request`. */
export function toSimplifiedCreate(body: JsonObject): CreateRequest {
  const { packageName, packageVersion, blockName } = checkRunBody(body)
  const inputValues = memberBytes(body, 'inputValues')
  return checkNames(toCreateRequest({ packageName, packageVersion, blockName, inputValues }))
}

/** A create from a native body: all of it goes upstream byte for byte. Throws `invalid_request`. */
export function toNativeCreate(body: JsonObject): CreateRequest {
  const { packageName, packageVersion, blockName } = checkNativeBody(body)
  const inputValues = memberBytes(body, 'inputValues')
  return checkNames({ packageName, packageVersion, blockName, inputValues, body: body.bytes })
}

/** Names that rules are written for must be names, or a rule and upstream could read them differently. */
export function checkNames(request: CreateRequest): CreateRequest {
  const errors: Issue[] = []
  if (!isPackageName(request.packageName))
    errors.push({ path: '/packageName', message: 'is no package name' })
  if (!isPackageVersion(request.packageVersion))
    errors.push({ path: '/packageVersion', message: 'is no version' })
  if (!isBlockName(request.blockName)) errors.push({ path: '/blockName', message: 'is no block name' })
  if (errors.length === 0) return request
  throw new GatewayError({ code: 'invalid_request', detail: 'The body is not as documented.', errors })
}
