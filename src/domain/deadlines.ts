/** How long things may take, in milliseconds. Operators can't set them; tests shorten them. */
export type Deadlines = {
  /** One reading call upstream, from its start to the last byte of its answer. */
  readMs: number
  /** One create upstream: cut later than a read, because a cut leaves its outcome unknown. */
  createMs: number
  /** One request to the registry that a run waits for. */
  lookUpMs: number
  /** The window over which a body must come at the slowest rate; only time in which we wait for it counts. */
  bodyMs: number
  /** How long a body may pause while we wait for it. */
  bodyIdleMs: number
  /** One attempt to send a part of a file, in addition to the time its size takes at the slowest rate. */
  partMs: number
  /** How long an upload waits for room in memory. */
  uploadRoomMs: number
  /** How long a new task may be 404 upstream before that is final. */
  notFoundMs: number
  /** A comment this often keeps proxies from closing a stream on which nothing happens. */
  keepAliveMs: number
  /** How long not one byte of an answer may leave for a caller that does not read, before its connection is cut. */
  unreadMs: number
}

/** The rate below which a body counts as too slow: 8 KiB a second. */
export const SLOWEST_BODY_BYTES_PER_MS = (8 * 1024) / 1000

export const DEADLINES: Deadlines = {
  readMs: 30_000,
  createMs: 60_000,
  lookUpMs: 5_000,
  bodyMs: 30_000,
  bodyIdleMs: 30_000,
  partMs: 30_000,
  uploadRoomMs: 20_000,
  notFoundMs: 10_000,
  keepAliveMs: 15_000,
  unreadMs: 30_000,
}
