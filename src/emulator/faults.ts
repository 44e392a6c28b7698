import { isWrite, type Operation } from './operation-names.ts'

/**
 * When a fault strikes. `before-processing`: nothing of the request takes effect. `before-answer`: it took
 * effect (the task exists, the part is stored) and only the answer is wrong. Left out: the stage that
 * does most harm, see `stageOf`.
 */
type FaultStage = 'before-processing' | 'before-answer'

/** How one request is treated instead of getting the right answer. Times are milliseconds. */
export type Fault =
  /** Another status; `body` is sent as it is (default: an error in the service's form), 999 is possible. */
  | {
      kind: 'status'
      status: number
      body?: string | Buffer
      headers?: Record<string, string>
      when?: FaultStage
    }
  /** The right answer, later. */
  | { kind: 'delay'; ms: number; when?: FaultStage }
  /** The right answer once the promise is fulfilled. */
  | { kind: 'gate'; until: Promise<void>; when?: FaultStage }
  /** No answer; the connection stays open. */
  | { kind: 'hang'; when?: FaultStage }
  /** The connection is reset (RST); `mid-answer`: after the head and half of the body. */
  | { kind: 'reset'; when: FaultStage | 'mid-answer' }
  /** The request is read, the connection closed (FIN) without a byte. */
  | { kind: 'no-answer-close'; when?: FaultStage }
  /** The right answer, one byte of its body per interval. */
  | { kind: 'drip'; intervalMs: number }
  /** The right answer, each byte of its body in a chunk of its own, as fast as the client takes them; ends after the promise. */
  | { kind: 'tiny-chunks'; until?: Promise<void> }
  /** A load balancer's page; status 200 if left out. */
  | { kind: 'html'; status?: number; when?: FaultStage }
  /** Half of the right answer, in an HTTP message that is whole. */
  | { kind: 'truncated-json' }
  | { kind: 'invalid-json' }
  /** Status 302 if left out. */
  | { kind: 'redirect'; location: string; status?: number; when?: FaultStage }
  /** The right answer, compressed although nothing asked for that. */
  | { kind: 'gzip' }
  /** A JSON object of `bytes` bytes. */
  | { kind: 'huge'; bytes: number }
  /** Early hints without end, and no answer. */
  | { kind: 'endless-103'; intervalMs: number; when?: FaultStage }
  /** For result, detail, latest, list: tasks show this status. */
  | { kind: 'unknown-status'; status: string }
  /** For parts: answers before a byte of the body was read. */
  | { kind: 'early-answer'; status: number }
  /** For parts: the body is not read until the promise is fulfilled. */
  | { kind: 'slow-read'; until: Promise<void> }
  /** For list: shows each task as it was `ms` ago, and none that is younger. Stays until taken back. */
  | { kind: 'lag'; ms: number }
  /** For list: another order. Stays until taken back. */
  | { kind: 'order'; order: ListOrder }

/** `shuffled` is a fixed disorder, so that paging still shows each task once. */
export type ListOrder = 'newest-first' | 'oldest-first' | 'shuffled'

/** What applies to one request. */
export type AppliedFaults = {
  readonly fault: Fault | undefined
  readonly lagMs: number
  readonly order: ListOrder
}

const RIGHT: AppliedFaults = { fault: undefined, lagMs: 0, order: 'newest-first' }

/**
 * The stage at which a fault strikes when it does not say: a reset or a missing answer to a write comes
 * after the write took effect, which is what makes a careless repeat cost money; a refusal comes before.
 */
export function stageOf(fault: Fault, operation: Operation): FaultStage {
  switch (fault.kind) {
    case 'early-answer':
    case 'slow-read':
      return 'before-processing'
    case 'reset':
      return fault.when === 'mid-answer' ? 'before-answer' : fault.when
    case 'status':
    case 'html':
    case 'redirect':
      return fault.when ?? 'before-processing'
    case 'delay':
    case 'gate':
    case 'hang':
    case 'no-answer-close':
    case 'endless-103':
      return fault.when ?? (isWrite(operation) ? 'before-answer' : 'before-processing')
    default:
      return 'before-answer'
  }
}

export type FaultPlan = {
  /**
   * Applies a fault to the next `times` requests of an operation (1 if left out; `lag` and `order` for
   * ever), after the faults added before. The returned function takes back what is left of it.
   */
  add(operation: Operation, fault: Fault, times?: number): () => void
  /** What applies to a request that has just arrived; uses it up. */
  take(operation: Operation): AppliedFaults
  clear(): void
}

type Entry = { fault: Fault; left: number }

export function createFaultPlan(): FaultPlan {
  const planned = new Map<Operation, Entry[]>()

  function use(entries: Entry[], entry: Entry | undefined): Fault | undefined {
    if (entry === undefined) return undefined
    entry.left--
    if (entry.left <= 0) entries.splice(entries.indexOf(entry), 1)
    return entry.fault
  }

  return {
    add(operation, fault, times = isListBehaviour(fault) ? Number.POSITIVE_INFINITY : 1) {
      const entry = { fault, left: times }
      const entries = planned.get(operation) ?? []
      planned.set(operation, entries)
      if (times > 0) entries.push(entry)
      return () => {
        const at = entries.indexOf(entry)
        if (at >= 0) entries.splice(at, 1)
      }
    },
    take(operation) {
      const entries = planned.get(operation)
      if (entries === undefined || entries.length === 0) return RIGHT
      const lag = use(entries, lastOf(entries, 'lag'))
      const order = use(entries, lastOf(entries, 'order'))
      const next = entries.find((entry) => !isListBehaviour(entry.fault))
      return {
        fault: use(entries, next),
        lagMs: lag?.kind === 'lag' ? lag.ms : 0,
        order: order?.kind === 'order' ? order.order : 'newest-first',
      }
    },
    clear: () => planned.clear(),
  }
}

/** Of these the last one added counts; all others queue up. */
function isListBehaviour(fault: Fault): boolean {
  return fault.kind === 'lag' || fault.kind === 'order'
}

function lastOf(entries: readonly Entry[], kind: 'lag' | 'order'): Entry | undefined {
  return entries.findLast((entry) => entry.fault.kind === kind)
}
