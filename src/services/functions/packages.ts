import type { RegistryApi } from '../../cloud/registry-api.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { requirePackage } from '../callers/rules.ts'

export type PackageQuery = { packageName: string; version: string; lang: string | undefined }

/** What the registry knows of a package. */
export type Packages = {
  /** Upstream's own bytes, of a package that the caller may run. Throws `GatewayError`. */
  info(context: RequestContext, query: PackageQuery): Promise<Buffer>
}

export function createPackages(registry: RegistryApi): Packages {
  return {
    info: async (context, query) => {
      requirePackage(context.caller, { packageName: query.packageName, packageVersion: query.version })
      return (await registry.packageInfo(toCallContext(context), query)).bytes
    },
  }
}
