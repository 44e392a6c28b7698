import type { IncomingHttpHeaders } from 'node:http'
import type { Operation } from './operation-names.ts'

/** How many requests are remembered, counted over all operations. */
const REMEMBERED_REQUESTS = 10_000

const NO_BODY = Buffer.alloc(0)

/**
 * A request as it reached the emulator. `body` is empty for parts, of which only size and hash are kept, and
 * for old requests once all bodies together are too large.
 */
export type RecordedRequest = {
  readonly operation: Operation
  /** Which one of its operation it is, from 1, since the start or the last reset. */
  readonly nth: number
  readonly method: string
  /** The raw request target, query included. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** When its head arrived, epoch milliseconds. */
  readonly at: number
  body: Buffer
  /** Body bytes read so far. */
  bytes: number
  /** SHA-256 of a part's bytes in hex, once they are all there and unless hashing is off. */
  sha256: string | undefined
}

/** The last 10,000 requests. */
type RequestHistory = {
  add(record: RecordedRequest): void
  /** Counts a body that has just arrived; the oldest bodies go when all together are too large. */
  addBody(record: RecordedRequest): void
  /** Oldest first. */
  all(): RecordedRequest[]
  clear(): void
}

/** `maxBodyBytes`: how many bytes of bodies are kept in all. */
export function createRequestHistory(maxBodyBytes: number): RequestHistory {
  let remembered: RecordedRequest[] = []
  let next = 0
  let keptBytes = 0

  function all(): RecordedRequest[] {
    return remembered.length < REMEMBERED_REQUESTS
      ? [...remembered]
      : [...remembered.slice(next), ...remembered.slice(0, next)]
  }

  /** Counts all bodies again first: one may have come after its request was forgotten. */
  function forgetBodies(): void {
    const records = all()
    keptBytes = records.reduce((sum, record) => sum + record.body.length, 0)
    for (const record of records) {
      if (keptBytes <= maxBodyBytes) return
      keptBytes -= record.body.length
      record.body = NO_BODY
    }
  }

  return {
    add(record) {
      keptBytes -= remembered[next]?.body.length ?? 0
      remembered[next] = record
      next = (next + 1) % REMEMBERED_REQUESTS
    },
    addBody(record) {
      keptBytes += record.body.length
      if (keptBytes > maxBodyBytes) forgetBodies()
    },
    all,
    clear() {
      remembered = []
      next = 0
      keptBytes = 0
    },
  }
}
