import type { RegisteredRoute } from '../../src/http/server/route-table.ts'

/** The routes that need a caller, each with a path that could be asked for: `/tasks/:taskID` -> `/tasks/x`. */
export function guardedRoutes(
  routes: readonly RegisteredRoute[],
): { method: string; url: string; path: string }[] {
  return routes
    .filter(({ scope }) => scope !== undefined && scope !== 'public')
    .map(({ method, url }) => ({ method, url, path: toPath(url) }))
}

export function toPath(url: string): string {
  return url.replace(/:\w+/g, 'x').replace('*', 'x')
}
