/** How long things may take, in milliseconds; not for operators to set, but for a test to shorten. */
export type Deadlines = {
  /** One reading call upstream, from its start to the last byte of its answer. */
  readMs: number
  /** One create upstream: cut later than a read, because a cut leaves its outcome unknown. */
  createMs: number
  /** One look-up in the registry that a run waits for. */
  lookUpMs: number
  /** A body that is held in memory, from its first to its last byte. */
  bodyMs: number
  /** How long a body that is streamed on may stand still. */
  bodyIdleMs: number
  /** One try to send a part of a file, in addition to what its size needs at the slowest rate. */
  partMs: number
  /** How long an upload waits for room in memory. */
  uploadRoomMs: number
  /** How long upstream may say that a task it created does not exist before it is believed. */
  notFoundMs: number
  /** A comment this often keeps proxies from closing a stream on which nothing happens. */
  keepAliveMs: number
}

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
}
