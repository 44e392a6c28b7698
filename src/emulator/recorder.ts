import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { OPERATIONS, type Operation } from './operations.ts'

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

export type Recorder = {
  /** Counts a request whose head has just arrived. */
  head(operation: Operation, request: IncomingMessage): RecordedRequest
  /** Opens the gates that wait for this request. */
  arrive(record: RecordedRequest): void
  counts(): Record<Operation, number>
  requests(operation?: Operation): RecordedRequest[]
  arrived(operation: Operation, nth?: number): Promise<RecordedRequest>
  reset(): void
  /** Rejects what still waits. */
  close(): void
}

type Gate = {
  operation: Operation
  nth: number
  open(record: RecordedRequest): void
  fail(reason: Error): void
}

/** Counts and remembers what reaches the emulator, and tells who waits for it. */
export function createRecorder(options: { maxBodyBytes: number; now: () => number }): Recorder {
  const { maxBodyBytes, now } = options
  let counts = zeroCounts()
  let remembered: RecordedRequest[] = []
  let next = 0
  let keptBytes = 0
  let hasArrived = new WeakSet<RecordedRequest>()
  const gates = new Set<Gate>()

  function remember(record: RecordedRequest): void {
    keptBytes -= remembered[next]?.body.length ?? 0
    remembered[next] = record
    next = (next + 1) % REMEMBERED_REQUESTS
  }

  function inOrder(): RecordedRequest[] {
    return remembered.length < REMEMBERED_REQUESTS
      ? [...remembered]
      : [...remembered.slice(next), ...remembered.slice(0, next)]
  }

  /** Counts anew first: a body may have come after its request was forgotten. */
  function forgetBodies(): void {
    const records = inOrder()
    keptBytes = records.reduce((sum, record) => sum + record.body.length, 0)
    for (const record of records) {
      if (keptBytes <= maxBodyBytes) return
      keptBytes -= record.body.length
      record.body = NO_BODY
    }
  }

  return {
    head(operation, request) {
      counts[operation]++
      const record = toRecord(operation, counts[operation], request, now())
      remember(record)
      return record
    },
    arrive(record) {
      hasArrived.add(record)
      keptBytes += record.body.length
      if (keptBytes > maxBodyBytes) forgetBodies()
      if (gates.size === 0) return
      for (const gate of gates) {
        if (gate.operation !== record.operation || gate.nth !== record.nth) continue
        gates.delete(gate)
        gate.open(record)
      }
    },
    counts: () => ({ ...counts }),
    requests: (operation) =>
      inOrder().filter((record) => operation === undefined || record.operation === operation),
    arrived(operation, nth = counts[operation] + 1) {
      const known = remembered.find((record) => record.operation === operation && record.nth === nth)
      if (known !== undefined && hasArrived.has(known)) return Promise.resolve(known)
      if (known === undefined && nth <= counts[operation]) return Promise.reject(forgotten(operation, nth))
      return wait(gates, operation, nth)
    },
    reset() {
      counts = zeroCounts()
      remembered = []
      next = 0
      keptBytes = 0
      hasArrived = new WeakSet()
    },
    close() {
      for (const gate of gates) gate.fail(new Error(`closed before ${gate.operation} ${gate.nth} arrived`))
      gates.clear()
    },
  }
}

function wait(gates: Set<Gate>, operation: Operation, nth: number): Promise<RecordedRequest> {
  const promise = new Promise<RecordedRequest>((open, fail) => {
    gates.add({ operation, nth, open, fail })
  })
  // Whoever waits sees the rejection; a gate that nobody looks at any more is no error of the process.
  promise.catch(() => {})
  return promise
}

function forgotten(operation: Operation, nth: number): Error {
  return new Error(`request ${nth} of ${operation} arrived so long ago that it is no longer remembered`)
}

function toRecord(operation: Operation, nth: number, request: IncomingMessage, at: number): RecordedRequest {
  return {
    operation,
    nth,
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    at,
    body: NO_BODY,
    bytes: 0,
    sha256: undefined,
  }
}

function zeroCounts(): Record<Operation, number> {
  const counts: Partial<Record<Operation, number>> = {}
  for (const operation of OPERATIONS) counts[operation] = 0
  return counts as Record<Operation, number>
}
