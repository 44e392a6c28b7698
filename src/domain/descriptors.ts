/*
 * How the open files a process may have are shared out. Callers could take all of them, and then nothing reaches
 * upstream and nothing is stored, so what the gateway itself needs is set aside first.
 */

/** With fewer the start is refused: loading the program alone opens some 280 files at once. */
export const MIN_DESCRIPTORS = 320

/** Store, log, ports, spooled files, scrapers. */
const OWN_DESCRIPTORS = 64

/** Where calls go: tasks, uploads, registry, and the store of parts. */
const ORIGINS = 4
const MAX_CONNECTIONS_PER_ORIGIN = 256

export type DescriptorPlan = {
  /** The limit of the process, all included. */
  limit: number
  /** Most connections of callers. */
  maxConnections: number
  /** Most connections to one origin upstream. */
  connectionsPerOrigin: number
}

/** Shares out `limit` open files: callers and upstream get half each, upstream no more than it can use. */
export function planDescriptors(limit: number): DescriptorPlan {
  const shared = Math.max(0, limit - OWN_DESCRIPTORS)
  const perOrigin = Math.min(MAX_CONNECTIONS_PER_ORIGIN, Math.floor(shared / 2 / ORIGINS))
  const connectionsPerOrigin = Math.max(1, perOrigin)
  const maxConnections = Math.max(1, shared - connectionsPerOrigin * ORIGINS)
  return { limit, maxConnections, connectionsPerOrigin }
}

/** The open files with which this many requests can wait, each on a connection of its own. */
export function neededDescriptors(maxConcurrentRuns: number): number {
  return maxConcurrentRuns + OWN_DESCRIPTORS + ORIGINS * MAX_CONNECTIONS_PER_ORIGIN
}
