import type { FastifyInstance, FastifyPluginCallback } from 'fastify'
import type { Scope } from '../../domain/caller.ts'
import { GatewayError } from '../../errors.ts'

/** One route as it was registered. */
export type RegisteredRoute = {
  method: string
  url: string
  scope: Scope | 'any-caller' | 'public' | undefined
}

/** Collects every route registered from now on, but not what answers for the methods that are none. */
export function collectRoutes(app: FastifyInstance): RegisteredRoute[] {
  const routes: RegisteredRoute[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.isFallback) return
    for (const name of [method].flat()) routes.push({ method: name, url, scope: config?.scope })
  })
  return routes
}

/**
 * A plugin, to be registered last, that answers 405 with `Allow` on every route for every method it does
 * not take. Fastify alone answers 404 there, which hides a caller's mistake from it.
 */
export function methodNotAllowed(routes: readonly RegisteredRoute[]): FastifyPluginCallback {
  return (app, _options, done) => {
    const methodsByUrl = new Map<string, Set<string>>()
    for (const { url, method, scope } of routes) {
      // The pages of a plugin are its own business.
      if (scope === undefined) continue
      methodsByUrl.set(url, (methodsByUrl.get(url) ?? new Set()).add(method))
    }
    for (const [url, taken] of methodsByUrl) {
      const allow = [...taken].sort()
      app.route({
        url,
        method: app.supportedMethods.filter((method) => !taken.has(method)),
        config: { scope: 'public', isFallback: true },
        handler: () => {
          throw new GatewayError({ code: 'method_not_allowed', allow })
        },
      })
    }
    done()
  }
}
