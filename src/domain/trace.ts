/**
 * What the log line of one request says, collected while it is handled. Only what is safe to log: checked
 * ids, numbers, names of ours.
 */
export type Trace = {
  taskID?: string
  /** The status of the last answer from upstream, and what its calls took together, in milliseconds. */
  upstreamStatus?: number
  upstreamMs?: number
  /** The code of the failure that the request ended with. */
  failure?: string
}
