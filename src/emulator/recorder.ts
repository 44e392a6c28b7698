import type { IncomingMessage } from 'node:http'
import { OPERATIONS, type Operation } from './operation-names.ts'
import { createRequestHistory, type RecordedRequest } from './request-history.ts'

const NO_BODY = Buffer.alloc(0)

/** Counts requests, remembers the last of them, and lets a test wait for one. */
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

/** Counts and remembers what reaches the emulator, and opens the gates of tests that wait for it. */
export function createRecorder(options: { maxBodyBytes: number; now: () => number }): Recorder {
  const history = createRequestHistory(options.maxBodyBytes)
  let counts = zeroCounts()
  let hasArrived = new WeakSet<RecordedRequest>()
  const gates = new Set<Gate>()

  return {
    head(operation, request) {
      counts[operation]++
      const record = toRecord(operation, counts[operation], request, options.now())
      history.add(record)
      return record
    },
    arrive(record) {
      hasArrived.add(record)
      history.addBody(record)
      openGates(gates, record)
    },
    counts: () => ({ ...counts }),
    requests: (operation) =>
      history.all().filter((record) => operation === undefined || record.operation === operation),
    arrived(operation, nth = counts[operation] + 1) {
      const known = history.all().find((record) => record.operation === operation && record.nth === nth)
      if (known !== undefined && hasArrived.has(known)) return Promise.resolve(known)
      if (known === undefined && nth <= counts[operation]) return Promise.reject(forgotten(operation, nth))
      return wait(gates, operation, nth)
    },
    reset() {
      counts = zeroCounts()
      history.clear()
      hasArrived = new WeakSet()
    },
    close() {
      for (const gate of gates) gate.fail(new Error(`closed before ${gate.operation} ${gate.nth} arrived`))
      gates.clear()
    },
  }
}

function openGates(gates: Set<Gate>, record: RecordedRequest): void {
  for (const gate of gates) {
    if (gate.operation !== record.operation || gate.nth !== record.nth) continue
    gates.delete(gate)
    gate.open(record)
  }
}

function wait(gates: Set<Gate>, operation: Operation, nth: number): Promise<RecordedRequest> {
  const promise = new Promise<RecordedRequest>((open, fail) => {
    gates.add({ operation, nth, open, fail })
  })
  // The test that waits sees the rejection; a gate that no test awaits any more must not end the process.
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
