import type { CreateRequest } from '../../domain/create-request.ts'
import type { Issue } from '../../domain/issue.ts'
import { isBlockName, isPackageName, isPackageVersion } from '../../domain/names.ts'
import { isFunctionAllowed, isPackageAllowed } from '../../domain/patterns.ts'
import { GatewayError } from '../../errors.ts'
import type { Caller } from './request-context.ts'

/** Throws `package_denied` unless the caller may run exactly this package in this version. */
export function requirePackage(
  caller: Caller,
  { packageName, packageVersion }: Pick<CreateRequest, 'packageName' | 'packageVersion'>,
): void {
  if (isPackageAllowed(caller.rules.packages, packageName, packageVersion)) return
  throw new GatewayError({
    code: 'package_denied',
    detail: 'The rules of this caller do not allow this package in this version.',
  })
}

/** Throws `function_denied` unless the caller may run the named function. */
export function requireFunction(caller: Caller, name: string): void {
  if (isFunctionAllowed(caller.rules.functions, name)) return
  throw new GatewayError({
    code: 'function_denied',
    detail: 'The rules of this caller do not allow this function.',
  })
}

/**
 * Throws `invalid_request` unless the names are valid: a rule and upstream could read an invalid one differently.
 */
export function checkNames(request: CreateRequest): CreateRequest {
  const errors: Issue[] = []
  if (!isPackageName(request.packageName))
    errors.push({ path: '/packageName', message: 'is no package name' })
  if (!isPackageVersion(request.packageVersion))
    errors.push({ path: '/packageVersion', message: 'is no version' })
  if (!isBlockName(request.blockName)) errors.push({ path: '/blockName', message: 'is no block name' })
  if (errors.length === 0) return request
  throw new GatewayError({ code: 'invalid_request', detail: 'Invalid body.', errors })
}
