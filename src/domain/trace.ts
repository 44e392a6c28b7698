/**
 * What one request leaves behind for its log line, filled in on the way. Only what is safe to log:
 * ids that were checked, numbers, names of ours.
 */
export type Trace = {
  taskID?: string
  /** The status of the last answer from upstream, and what its calls took together, in milliseconds. */
  upstreamStatus?: number
  upstreamMs?: number
  /** The code of the failure the request ended with. */
  failure?: string
}
