/** The operations of the emulated service; `unknown` is every other path. */
export const OPERATIONS = [
  'create',
  'list',
  'latest',
  'detail',
  'result',
  'logs',
  'dashboard',
  'pause',
  'resume',
  'upload-init',
  'upload-url',
  'part',
  'file',
  'package-info',
  'unknown',
] as const
export type Operation = (typeof OPERATIONS)[number]

const WRITES: ReadonlySet<Operation> = new Set(['create', 'pause', 'resume', 'upload-init', 'part'])

/** Whether an operation changes something: a fault of a write comes after the write took effect. */
export function isWrite(operation: Operation): boolean {
  return WRITES.has(operation)
}

export function isOperation(value: unknown): value is Operation {
  return OPERATIONS.some((operation) => operation === value)
}
