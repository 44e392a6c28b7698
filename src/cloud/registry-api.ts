import type { CallContext, Upstream, UpstreamAnswer } from './upstream.ts'

/** The package registry (`oomol-api.md`). Names were checked with `isPackageName` and `isPackageVersion`. */
export type RegistryApi = {
  packageInfo(
    context: CallContext,
    query: { packageName: string; version: string; lang: string | undefined; deadlineMs?: number },
  ): Promise<UpstreamAnswer>
}

export function createRegistryApi(upstream: Upstream): RegistryApi {
  return {
    packageInfo: (context, { packageName, version, lang, deadlineMs }) => {
      const query = lang === undefined ? '' : `?lang=${encodeURIComponent(lang)}`
      const name = encodeURIComponent(packageName)
      const path = `/-/oomol/package-info/${name}/${encodeURIComponent(version)}${query}`
      const call = { operation: 'package-info', method: 'GET', path } as const
      return upstream.call(context, deadlineMs === undefined ? call : { ...call, deadlineMs })
    },
  }
}
