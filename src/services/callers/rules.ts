import type { Scope } from '../../domain/caller.ts'
import type { CreateRequest } from '../../domain/create-request.ts'
import { isFunctionAllowed, isPackageAllowed } from '../../domain/patterns.ts'
import { GatewayError } from '../../errors.ts'
import type { Caller } from './request-context.ts'

/** Throws `insufficient_scope` unless the caller has the scope. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.rules.scopes.has(scope)) throw new GatewayError({ code: 'insufficient_scope', scope })
}

/** Throws `package_denied` unless the caller may run exactly this package in this version. */
export function requirePackage(
  caller: Caller,
  { packageName, packageVersion }: Pick<CreateRequest, 'packageName' | 'packageVersion'>,
): void {
  if (isPackageAllowed(caller.rules.packages, packageName, packageVersion)) return
  throw new GatewayError({
    code: 'package_denied',
    detail:
      'The rules of this caller do not allow this package in this version. Run another, or ask the operator.',
  })
}

/** Throws `function_denied` unless the caller may run the named function. */
export function requireFunction(caller: Caller, name: string): void {
  if (isFunctionAllowed(caller.rules.functions, name)) return
  throw new GatewayError({
    code: 'function_denied',
    detail: 'The rules of this caller do not allow this function. Run another, or ask the operator.',
  })
}
