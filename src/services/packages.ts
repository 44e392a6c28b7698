import type { RegistryApi } from '../cloud/registry-api.ts'
import { type RequestContext, toCallContext } from './caller.ts'

export type PackageQuery = { packageName: string; version: string; lang: string | undefined }

/** What the registry knows of a package. */
export type Packages = {
  /** Upstream's own bytes. Throws `GatewayError`. */
  info(context: RequestContext, query: PackageQuery): Promise<Buffer>
}

export function createPackages(registry: RegistryApi): Packages {
  return {
    info: async (context, query) => (await registry.packageInfo(toCallContext(context), query)).bytes,
  }
}
