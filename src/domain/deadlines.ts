/** How long things may take, in milliseconds; not for operators to set, but for a test to shorten. */
export type Deadlines = {
  /** One reading call upstream, from its start to the last byte of its answer. */
  readMs: number
  /** One create upstream: cut later than a read, because a cut leaves its outcome unknown. */
  createMs: number
  /** A body that is held in memory, from its first to its last byte. */
  bodyMs: number
  /** How long upstream may say that a task it created does not exist before it is believed. */
  notFoundMs: number
  /** A comment this often keeps proxies from closing a stream on which nothing happens. */
  keepAliveMs: number
}

export const DEADLINES: Deadlines = {
  readMs: 30_000,
  createMs: 60_000,
  bodyMs: 30_000,
  notFoundMs: 10_000,
  keepAliveMs: 15_000,
}
