import type { FastifyInstance, FastifyPluginCallback } from 'fastify'
import type { Scope } from '../../domain/caller.ts'
import { GatewayError } from '../../errors.ts'

/** A registered route. */
export type RegisteredRoute = {
  method: string
  url: string
  scope: Scope | 'any-caller' | 'public' | undefined
}

/** Collects every route registered after this call, without the fallbacks of `methodNotAllowed`. */
export function collectRoutes(app: FastifyInstance): RegisteredRoute[] {
  const routes: RegisteredRoute[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.isFallback) return
    for (const name of [method].flat()) routes.push({ method: name, url, scope: config?.scope })
  })
  return routes
}

/**
 * A plugin, to be registered last, that answers 405 with `Allow` for every method that a route does not have.
 * Fastify itself answers 404 there, which does not tell the caller what is wrong.
 */
export function methodNotAllowed(routes: readonly RegisteredRoute[]): FastifyPluginCallback {
  return (app, _options, done) => {
    const methodsByUrl = new Map<string, Set<string>>()
    for (const { url, method, scope } of routes) {
      // Routes of plugins have no scope of ours.
      if (scope === undefined) continue
      methodsByUrl.set(url, (methodsByUrl.get(url) ?? new Set()).add(method))
    }
    for (const [url, methods] of methodsByUrl) {
      const allow = [...methods].sort()
      app.route({
        url,
        method: app.supportedMethods.filter((method) => !methods.has(method)),
        config: { scope: 'public', isFallback: true },
        handler: () => {
          throw new GatewayError({ code: 'method_not_allowed', allow })
        },
      })
    }
    done()
  }
}
