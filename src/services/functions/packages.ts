import type { RegistryApi } from '../../cloud/registry-api.ts'
import { type RequestContext, toCallContext } from '../callers/request-context.ts'
import { requirePackage } from '../callers/rules.ts'

type PackageQuery = { packageName: string; version: string; lang: string | undefined }

/** The registry's packages for callers. */
export type Packages = {
  /** Upstream's own bytes about a package. Throws `package_denied` unless the caller may run it. */
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
